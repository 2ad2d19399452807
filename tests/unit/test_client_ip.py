"""Whose address a request comes from."""

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from structlog.testing import capture_logs

from gateway.telemetry import log_setup
from gateway.web.http.client_ip import Addresses, ClientGone, audited, canonical, from_forwarded, without_port

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")]
PROXY, VISITOR = "10.0.0.1", "198.51.100.7"


def asked(peer, *headers):
    return make_mocked_request("POST", "/headless/login", CIMultiDict(headers)).clone(remote=peer)


def address(peer, *headers, trusted=TRUSTED, header="x-forwarded-for"):
    return Addresses(trusted, header=header).of(asked(peer, *headers))


def claiming(hops, name="X-Forwarded-For"):
    return address(PROXY, (name, hops), header=name.lower())


def test_without_headers_the_peer_is_the_visitor():
    assert address(VISITOR) == VISITOR
    assert address(PROXY) == PROXY


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
def test_what_an_untrusted_peer_claims_does_not_count(name):
    assert address(VISITOR, (name, "for=192.0.2.1"), ("X-Forwarded-For", "192.0.2.1")) == VISITOR


def test_no_proxy_is_trusted_unless_configured():
    assert address(PROXY, ("X-Forwarded-For", VISITOR), trusted=[]) == PROXY


@pytest.mark.parametrize(
    ("hops", "visitor"),
    [
        (VISITOR, VISITOR),
        (f"192.0.2.1, {VISITOR}", VISITOR),
        (f"192.0.2.1,{VISITOR},10.0.0.9", VISITOR),
        (f"{VISITOR} , 10.0.0.9\t, 10.1.2.3", VISITOR),
        # The chain ends among our own: the farthest of them asks for itself.
        ("10.0.0.8, 10.0.0.9", "10.0.0.8"),
        # A trusted proxy sends a text that is no address: the proxy is the nearest address that is known.
        (f"192.0.2.1, unknown, {VISITOR}", VISITOR),
        ("192.0.2.1, unknown, 10.0.0.9", "10.0.0.9"),
        ("unknown", PROXY),
        ("", PROXY),
        (", ,", PROXY),
        (f"{VISITOR},", PROXY),
        ("999.1.1.1", PROXY),
        ("198.51.100.07", PROXY),
        ("0x7f.1", PROXY),
        ("3325256711", PROXY),
        ("198.51.100.7/24", PROXY),
        ("١٩٨.51.100.7", PROXY),
        ("<script>", PROXY),
        ("1" * 5000, PROXY),
        # With a port, as some load balancers write it.
        (f"{VISITOR}:51234", VISITOR),
        ("[2001:db8::17]:4711", "2001:db8::17"),
        ("[2001:db8::17]", "2001:db8::17"),
        (f"{VISITOR}:", PROXY),
        (f"{VISITOR}:123456", PROXY),
        (f"{VISITOR}:1:2", PROXY),
        ("[2001:db8::17", PROXY),
        # One spelling of each address.
        ("2001:DB8:0:0::0017", "2001:db8::17"),
        ("::ffff:198.51.100.7", VISITOR),
        ("::FFFF:C633:6407", VISITOR),
        ("[::ffff:198.51.100.7]:80", VISITOR),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%25eth0", "fe80::1"),
        ("[fe80::1%eth0]:80", "fe80::1"),
        # A proxy of ours over IPv6 and as an IPv4-mapped address is still ours.
        (f"{VISITOR}, 2001:db8:1::5", VISITOR),
        (f"{VISITOR}, ::ffff:10.0.0.9", VISITOR),
    ],
)
def test_from_the_right_the_first_that_is_not_ours_is_the_visitor(hops, visitor):
    assert claiming(hops) == visitor


@pytest.mark.parametrize(
    ("hops", "visitor"),
    [
        (f"for={VISITOR}", VISITOR),
        (f"For={VISITOR}; proto=https;by=10.0.0.1", VISITOR),
        (f"by=10.0.0.1; for={VISITOR}", VISITOR),
        (f"for=192.0.2.1, for={VISITOR}", VISITOR),
        (f'for=192.0.2.1,for="{VISITOR}:4711", for=10.0.0.9', VISITOR),
        ('for="[2001:db8::17]:4711"', "2001:db8::17"),
        ('for="[2001:DB8::17]"', "2001:db8::17"),
        ("for=unknown", PROXY),
        ("for=_hidden", PROXY),
        (f"for={VISITOR}, proto=https", PROXY),
        (f"xfor={VISITOR}", PROXY),
        ("for=", PROXY),
        ('for="', PROXY),
        ("nonsense", PROXY),
    ],
)
def test_forwarded_is_read_in_the_same_way(hops, visitor):
    assert claiming(hops, "Forwarded") == visitor


def test_several_headers_are_one_list():
    forged, true = ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", VISITOR)

    assert address(PROXY, forged, true) == VISITOR
    forged, true = ("Forwarded", "for=192.0.2.1"), ("Forwarded", f"for={VISITOR}")
    assert address(PROXY, forged, true, header="forwarded") == VISITOR


FORGED = {"x-forwarded-for": ("X-Forwarded-For", "192.0.2.1"), "forwarded": ("Forwarded", "for=192.0.2.1")}
TRUE = {"x-forwarded-for": ("X-Forwarded-For", VISITOR), "forwarded": ("Forwarded", f"for={VISITOR}")}
OTHER = {"x-forwarded-for": "forwarded", "forwarded": "x-forwarded-for"}


@pytest.mark.parametrize("header", OTHER)
def test_a_header_that_our_proxies_do_not_set_is_the_clients_own_and_never_believed(header):
    assert address(PROXY, FORGED[OTHER[header]], TRUE[header], header=header) == VISITOR
    assert address(PROXY, FORGED[OTHER[header]], header=header) == PROXY


@pytest.mark.parametrize("header", OTHER)
def test_a_header_that_is_not_believed_is_named_once_a_minute(header):
    addresses = Addresses(TRUSTED, header=header)
    with capture_logs() as events:
        for _ in range(3):
            addresses.of(asked(PROXY, FORGED[OTHER[header]], TRUE[header]))

    assert events == [
        {
            "event": "address.other_forwarding",
            "log_level": "warning",
            "peer": PROXY,
            "header": OTHER[header],
            "believed": header,
        }
    ]


def test_other_headers_say_nothing():
    others = ("X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "Via", "X-Forwarded")

    assert address(PROXY, *[(name, "192.0.2.1") for name in others]) == PROXY


@pytest.mark.parametrize("peer", ["::ffff:10.0.0.1", "2001:DB8:1:0::1"])
def test_a_peer_is_ours_in_any_spelling(peer):
    assert address(peer, ("X-Forwarded-For", VISITOR)) == VISITOR


@pytest.mark.parametrize("peer", [None, "", "unix:"])
def test_a_client_that_has_left_has_no_address(peer):
    with pytest.raises(ClientGone):
        address(peer, ("X-Forwarded-For", VISITOR))


@given(st.lists(st.text(alphabet=st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30), max_size=4))
@settings(max_examples=30)
def test_whatever_a_visitor_writes_in_front_changes_nothing(forged):
    headers = [("X-Forwarded-For", value) for value in forged] + [("X-Forwarded-For", f"{VISITOR}, 10.0.0.9")]

    assert address(PROXY, *headers) == VISITOR


@given(st.text(max_size=60))
def test_an_address_has_one_spelling_or_is_none(text):
    found = canonical(without_port(text))

    assert found is None or canonical(found) == found


def test_an_untrusted_peer_with_headers_is_named_once_a_minute(monkeypatch):
    times = [5.0, 5.1, 64.9, 65.0, 70.0]
    addresses = Addresses(TRUSTED)
    with capture_logs() as events:
        for now in times:
            monkeypatch.setattr(log_setup.time, "monotonic", lambda now=now: now)
            addresses.of(asked(VISITOR, ("X-Forwarded-For", "192.0.2.1")))

    assert events == 2 * [
        {
            "event": "address.untrusted_forwarding",
            "log_level": "warning",
            "peer": VISITOR,
            "add": f"trusted_proxies: [{VISITOR}]",
        }
    ]


def test_a_trusted_one_is_not():
    with capture_logs() as events:
        claiming(VISITOR)

    assert events == []


@pytest.mark.parametrize(
    ("audit", "peer", "told"),
    [
        ("full", VISITOR, VISITOR),
        ("prefix", VISITOR, "198.51.100.0/24"),
        ("prefix", "2001:db8:5:6::7", "2001:db8:5::/48"),
        ("off", VISITOR, None),
    ],
)
def test_events_carry_as_much_of_an_address_as_configured(audit, peer, told):
    addresses = Addresses([], audit=audit)
    with capture_logs() as events:
        addresses.of(asked(peer, ("Forwarded", "for=192.0.2.1")))

    assert audited(peer, audit) == told
    assert events[0]["peer"] == told
    assert events[0]["add"] == f"trusted_proxies: [{told or 'YOUR PROXY'}]"


@pytest.mark.parametrize(
    "headers",
    [
        ['for=203.0.113.9;host="x,for=192.0.2.66"'],
        ['host="x;for=192.0.2.66";for=203.0.113.9'],
        [r'host="x\",for=192.0.2.66";for=203.0.113.9'],
        ['for=192.0.2.66;host="', 'for=203.0.113.9;host="x"'],
    ],
)
def test_a_host_that_a_proxy_repeats_in_quotes_names_no_hop(headers):
    assert from_forwarded(headers)[0] == "203.0.113.9"
