"""Which connection is closed for a new one, and how many one address has."""

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from gateway.networks import network_named
from gateway.web.http.client_ip import Addresses
from gateway.web.http.connection_limit import ConnectionLimit, Waiting


class One:
    """A connection of one client."""

    def __init__(self, *, sends: bool = False) -> None:
        self.sends = sends
        self.aborted = False

    def is_sending(self) -> bool:
        return self.sends

    def abort(self) -> None:
        self.aborted = True


def a_limit(*, most: int = 100, most_per_address: int = 100, trusted: tuple[str, ...] = ()) -> ConnectionLimit:
    addresses = Addresses([network_named(network) for network in trusted])
    return ConnectionLimit(most=most, most_per_address=most_per_address, addresses=addresses)


def admitted(limit: ConnectionLimit, address: str, *, works: bool = False, sends: bool = False) -> One | None:
    one = One(sends=sends)
    if not limit.admit(one, address):
        return None
    if works:
        limit.waits_for_gateway(one)
    return one


def test_ipv6_connections_count_by_their_64():
    limit = a_limit(most_per_address=2)

    first, *others = [admitted(limit, f"2001:db8::{number}", works=True) for number in range(1, 4)]

    assert [one is not None for one in (first, *others)] == [True, True, False]
    assert admitted(limit, "2001:db8:0:1::1")
    assert admitted(limit, "203.0.113.7")
    limit.leave(first)
    assert admitted(limit, "2001:db8::9")


def test_a_client_without_an_address_is_counted_and_not_trusted():
    limit = a_limit(most_per_address=2)

    assert [admitted(limit, "", works=True) is not None for _ in range(3)] == [True, True, False]


def test_a_client_without_a_proxy_never_closes_a_connection_of_a_proxy():
    limit = a_limit(most=2, trusted=("10.0.0.0/8",))
    of_proxy = [admitted(limit, "10.0.0.1") for _ in range(2)]

    assert admitted(limit, "203.0.113.7") is None

    assert not any(one.aborted for one in of_proxy)
    assert admitted(limit, "10.0.0.1")
    assert [one.aborted for one in of_proxy] == [True, False]


def test_a_proxy_closes_idle_connections_of_others_first():
    limit = a_limit(most=2, trusted=("10.0.0.0/8",))
    of_proxy, other = admitted(limit, "10.0.0.1"), admitted(limit, "203.0.113.7")

    assert admitted(limit, "10.0.0.1")
    assert (of_proxy.aborted, other.aborted) == (False, True)


def test_an_answer_is_cut_only_if_nobody_is_idle():
    limit = a_limit(most=2)
    reading, idle = admitted(limit, "192.0.2.1", sends=True), admitted(limit, "192.0.2.2")

    assert admitted(limit, "192.0.2.3", works=True)
    assert (reading.aborted, idle.aborted) == (False, True)
    assert admitted(limit, "192.0.2.3", works=True)
    assert reading.aborted
    assert admitted(limit, "192.0.2.3") is None


def test_a_connection_that_leaves_is_forgotten_whatever_it_did():
    limit = a_limit(most=1)
    for works in (False, True):
        one = admitted(limit, "192.0.2.1", works=works)
        limit.leave(one)
        limit.leave(one)
        # What its requests still tell means nothing any more.
        limit.waits_for_client(one)

        assert (limit._origins, limit._open, limit._idle.longest()) == ({}, {}, None)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans())))
def test_the_longest_is_always_one_of_the_network_that_has_most(steps):
    waiting, model = Waiting(), {network: OrderedDict() for network in "abc"}
    ones = {(network, number): One() for network in "abc" for number in range(4)}
    for network, number, comes in steps:
        one = ones[network, number]
        if comes:
            waiting.add(one, network)
            model[network].setdefault(one)
        else:
            waiting.discard(one, network)
            model[network].pop(one, None)

        most = max(map(len, model.values()))
        firsts = {next(iter(of)) for of in model.values() if len(of) == most} if most else {None}
        assert waiting.longest() in firsts
        for each, of in model.items():
            assert waiting.longest(each) is next(iter(of), None)
