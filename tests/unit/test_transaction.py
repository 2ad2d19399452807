"""A login that waits for its code, as plain values."""

import base64
import hashlib
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import NotEnrolled, TooSoon, TransactionClosed
from gateway.transaction import State, Transaction, new_id, new_secret, transaction_key

OPENED, EXPIRES = 1000.0, 1300.0


@pytest.fixture
def pending():
    return a_login()


def a_login(**fields):
    login = Transaction(
        uid="2",
        client="web",
        username="alice",
        auth_type="EMAIL",
        methods=("EMAIL", "SMS"),
        secret=b"secret",
        mail="alice@example.test",
        phone="+15550100001",
        profile={"name": [{"value": "alice"}]},
        opened_at=OPENED,
        expires_at=EXPIRES,
        attempts_left=5,
        resends_left=3,
        resend_at=OPENED + 60,
        messages=("m1",),
    )
    return replace(login, **fields)


def resent(login, *, now, auth_type="EMAIL"):
    return login.reissue(now=now, wait_seconds=60, messages=("m2",), auth_type=auth_type)


def test_the_right_code_wins(pending):
    won = pending.attempt(accepted=True, now=1010.0)

    assert (won.state, won.closed_at) == (State.DELIVERING, 1010.0)


def test_clocks_of_processes_may_be_half_a_minute_apart(pending):
    assert pending.attempt(accepted=True, now=OPENED - 30).state is State.DELIVERING


def test_a_clock_that_was_set_back_gives_a_code_no_longer_life(pending):
    with pytest.raises(TransactionClosed) as closed:
        pending.attempt(accepted=True, now=OPENED - 31)

    assert closed.value.reason == "clock"


def test_what_won_takes_no_second_code(pending):
    won = pending.attempt(accepted=True, now=1010.0)

    with pytest.raises(TransactionClosed):
        won.attempt(accepted=True, now=1011.0)


def test_a_wrong_code_costs_one_attempt_and_leaves_it_open(pending):
    tried = pending.attempt(accepted=False, now=1010.0)

    assert (tried.attempts_left, tried.state) == (4, State.OPEN)


def test_the_last_wrong_code_ends_it(pending):
    for _ in range(5):
        pending = pending.attempt(accepted=False, now=1010.0)

    assert (pending.attempts_left, pending.state, pending.closed_at) == (0, State.ENDED, 1010.0)
    with pytest.raises(TransactionClosed):
        pending.attempt(accepted=True, now=1011.0)


def test_the_last_attempt_may_be_the_right_one(pending):
    last = replace(pending, attempts_left=1)

    assert last.attempt(accepted=True, now=1010.0).state is State.DELIVERING


def test_a_code_that_comes_as_it_expires_comes_too_late(pending):
    with pytest.raises(TransactionClosed) as refused:
        pending.attempt(accepted=True, now=EXPIRES)

    assert refused.value.reason == "expired"
    assert pending.attempt(accepted=True, now=EXPIRES - 0.001).state is State.DELIVERING


def test_a_change_changes_another(pending):
    before = replace(pending)
    pending.attempt(accepted=False, now=1010.0)

    assert pending == before
    with pytest.raises(FrozenInstanceError):
        pending.attempts_left = 5


def test_a_resend_buys_no_guesses_and_no_time(pending):
    tried = pending.attempt(accepted=False, now=1001.0)
    again = resent(tried, now=1060.0)

    assert (again.attempts_left, again.expires_at, again.secret) == (4, EXPIRES, b"secret")


def test_a_resend_costs_one_and_starts_the_wait_again(pending):
    again = resent(pending, now=1060.0)

    assert (again.resends_left, again.resend_at, again.messages) == (2, 1120.0, ("m2",))


def test_no_wait_is_longer_than_the_login(pending):
    assert resent(pending, now=1290.0).resend_at == EXPIRES


def test_a_resend_before_its_time_says_how_long_to_wait(pending):
    with pytest.raises(TooSoon) as refused:
        resent(pending, now=1045.0)

    assert (refused.value.reason, refused.value.retry_after) == ("wait", 15.0)


def test_without_resends_there_is_nothing_to_wait_for_but_the_end(pending):
    with pytest.raises(TooSoon) as refused:
        resent(replace(pending, resends_left=0), now=1200.0)

    assert (refused.value.reason, refused.value.retry_after) == ("resends", 100.0)


def test_a_resend_may_go_another_of_its_ways(pending):
    assert resent(pending, now=1060.0, auth_type="SMS").auth_type == "SMS"


def test_a_way_that_is_not_offered_costs_nothing_and_is_refused(pending):
    with pytest.raises(NotEnrolled):
        resent(pending, now=1060.0, auth_type="WHATSAPP")


@pytest.mark.parametrize("state", [State.DELIVERING, State.ENDED])
def test_what_is_closed_is_not_sent_again(pending, state):
    with pytest.raises(TransactionClosed):
        resent(replace(pending, state=state), now=1060.0)


def test_ending_closes_what_is_open(pending):
    ended = pending.end(now=1010.0)

    assert (ended.state, ended.closed_at) == (State.ENDED, 1010.0)


@pytest.mark.parametrize("state", [State.DELIVERING, State.ENDED])
def test_what_won_stays_won_and_what_ended_stays_so(pending, state):
    closed = replace(pending, state=state, closed_at=1005.0)

    assert closed.end(now=1010.0) is closed


def test_a_closed_one_keeps_no_personal_data(pending):
    spent = pending.end(now=1010.0).spent()

    for private in ("alice", "+1555", "secret", "m1"):
        assert private not in "".join(str(getattr(spent, field)) for field in Transaction.__slots__)
    assert (spent.state, spent.uid) == (State.ENDED, "2")


def test_the_client_and_name_that_opened_it_may_use_it(pending):
    pending.demand_bound(username="alice", client="web", auth_type="EMAIL")
    pending.demand_bound(username="alice", client="web")


@pytest.mark.parametrize(
    "other",
    [
        {"username": "bob"},
        {"username": "Alice"},
        {"username": "alice "},
        {"username": ""},
        {"client": "other"},
        {"auth_type": "SMS"},
        {"auth_type": ""},
        {"username": "älice"},
    ],
    ids=str,
)
def test_no_other_client_name_or_method_may_use_it(pending, other):
    with pytest.raises(TransactionClosed) as refused:
        pending.demand_bound(**{"username": "alice", "client": "web", "auth_type": "EMAIL"} | other)

    assert refused.value.reason == "not_bound"


def test_a_closed_one_belongs_to_no_name_not_even_an_empty_one(pending):
    spent = pending.end(now=1010.0).spent()

    with pytest.raises(TransactionClosed):
        spent.demand_open(now=1011.0)


def test_nothing_private_shows_in_what_may_be_logged(pending):
    for private in ("alice", "+1555", "secret"):
        assert private not in repr(pending)


def test_every_secret_is_another_and_160_bits_long():
    secrets = {new_secret() for _ in range(100)}

    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {20}


def test_an_id_is_256_random_bits():
    ids = {new_id() for _ in range(100)}

    assert len(ids) == 100
    assert all(len(base64.urlsafe_b64decode(f"{id}=")) == 32 for id in ids)


def test_a_key_tells_nothing_of_its_id():
    id = new_id()
    digest = hashlib.sha256(id.encode()).digest()

    assert base64.urlsafe_b64decode(f"{transaction_key(id)}==") == digest[:16]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wrong"), st.floats(0, 100)),
        st.tuples(st.just("right"), st.floats(0, 100)),
        st.tuples(st.just("resend"), st.floats(0, 100)),
        st.tuples(st.just("end"), st.floats(0, 100)),
    ),
    max_size=20,
)


@given(STEPS)
def test_whatever_happens_it_compares_five_codes_wins_once_and_is_sent_three_times_again(steps):
    login, now, compared, won, sent = a_login(), OPENED, 0, 0, 0
    for step, later in steps:
        now += later
        try:
            match step:
                case "resend":
                    login, sent = resent(login, now=now), sent + 1
                case "end":
                    login = login.end(now=now)
                case _:
                    login = login.attempt(accepted=step == "right", now=now)
                    compared, won = compared + 1, won + (step == "right")
        except (TransactionClosed, TooSoon):
            continue
        assert now < EXPIRES or step == "end"

    assert compared == 5 - login.attempts_left <= 5
    assert won == (login.state is State.DELIVERING)
    assert sent == 3 - login.resends_left <= 3


# What takes longer than a swap: counted first, settled afterwards


def test_what_is_counted_first_and_settled_afterwards_comes_to_the_same(pending):
    for accepted in (True, False):
        counted = pending.count(now=1010.0)

        assert counted.settle(accepted=accepted, now=1010.0) == pending.attempt(accepted=accepted, now=1010.0)


def test_while_the_last_ones_are_compared_nothing_more_is(pending):
    last = replace(pending, attempts_left=1).count(now=1010.0)

    assert last.state is State.OPEN
    with pytest.raises(TransactionClosed):
        last.count(now=1010.0)
    with pytest.raises(TransactionClosed):
        last.attempt(accepted=True, now=1010.0)
    assert last.settle(accepted=True, now=1010.0).state is State.DELIVERING
    assert last.settle(accepted=False, now=1010.0).state is State.ENDED


def test_what_was_right_too_late_wins_nothing(pending):
    counted = pending.count(now=1010.0)

    for over in (counted.end(now=1011.0), replace(counted, state=State.DELIVERING)):
        with pytest.raises(TransactionClosed):
            over.settle(accepted=True, now=1012.0)
    with pytest.raises(TransactionClosed):
        counted.settle(accepted=True, now=EXPIRES)


def test_a_switch_changes_the_method_and_nothing_that_a_guess_could_use(pending):
    tried = replace(pending, resends_left=0).attempt(accepted=False, now=1001.0)

    switched = tried.switch(auth_type="SMS", now=1002.0)

    assert switched == replace(tried, auth_type="SMS")


def test_a_switch_to_what_was_not_offered_or_of_what_is_over_is_refused(pending):
    with pytest.raises(NotEnrolled):
        pending.switch(auth_type="RECOVERY CODE", now=1001.0)
    with pytest.raises(TransactionClosed):
        pending.end(now=1001.0).switch(auth_type="SMS", now=1002.0)


def test_a_code_of_a_method_that_it_was_switched_away_from_is_for_another_login(pending):
    pending.demand_method("EMAIL")

    with pytest.raises(TransactionClosed):
        pending.switch(auth_type="SMS", now=1001.0).demand_method("EMAIL")
