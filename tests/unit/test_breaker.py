"""When Drupal is left alone, and that no single address can bring it about."""

import pytest
from structlog.testing import capture_logs

from gateway.drupal.bulkhead import Breaker
from gateway.errors import DrupalUnavailable


class Time:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def breaker(time):
    return Breaker(failures=5, networks=3, seconds=5, clock=time)


def fail(breaker, *networks):
    for network in networks:
        breaker.failed(network)


def is_closed(breaker) -> bool:
    try:
        breaker.demand_closed()
    except DrupalUnavailable:
        return False
    return True


def test_it_opens_after_five_failures_from_three_addresses(breaker):
    fail(breaker, "a", "b", "c", "a")
    assert is_closed(breaker)

    fail(breaker, "b")

    assert breaker.is_open
    assert not is_closed(breaker)


@pytest.mark.parametrize("networks", [["a"], ["a", "b"], ["a", ""]])
def test_any_number_of_failures_from_fewer_addresses_leaves_it_closed(breaker, networks):
    fail(breaker, *networks * 100)

    assert is_closed(breaker)
    assert not breaker.is_open


def test_a_success_forgets_the_failures_before_it(breaker):
    fail(breaker, "a", "b", "c", "d")
    breaker.succeeded()
    fail(breaker, "a", "b", "c", "d")

    assert is_closed(breaker)


def test_while_it_is_open_it_says_truly_for_how_long(breaker, time):
    fail(breaker, "a", "b", "c", "d", "e")
    time.now += 2

    with pytest.raises(DrupalUnavailable) as refused:
        breaker.demand_closed()

    assert refused.value.retry_after == 3
    assert refused.value.reason == "breaker"


def test_when_the_time_is_over_one_call_tries_and_the_others_wait(breaker, time):
    fail(breaker, "a", "b", "c", "d", "e")
    time.now += 5

    assert [is_closed(breaker) for _ in range(5)] == [True, False, False, False, False]


def test_a_trial_that_fails_leaves_it_open_for_as_long_again(breaker, time):
    fail(breaker, "a", "b", "c", "d", "e")
    time.now += 5
    assert is_closed(breaker)
    fail(breaker, "a")

    assert not is_closed(breaker)
    time.now += 4.9
    assert not is_closed(breaker)
    time.now += 0.1
    assert is_closed(breaker)


def test_a_trial_that_succeeds_closes_it_for_everybody(breaker, time):
    fail(breaker, "a", "b", "c", "d", "e")
    time.now += 5
    assert is_closed(breaker)
    breaker.succeeded()

    assert [is_closed(breaker) for _ in range(5)] == [True] * 5
    fail(breaker, "a", "b", "c", "d")
    assert is_closed(breaker)


def test_a_trial_that_never_comes_back_does_not_keep_it_open_for_ever(breaker, time):
    fail(breaker, "a", "b", "c", "d", "e")
    time.now += 5
    assert is_closed(breaker)
    time.now += 5

    assert is_closed(breaker)


def test_it_says_when_it_opens_and_closes_once_each(breaker):
    with capture_logs() as events:
        fail(breaker, *"abcde" * 10)
        breaker.succeeded()
        breaker.succeeded()

    assert [event["event"] for event in events] == ["drupal.breaker_open", "drupal.breaker_closed"]
    assert (events[0]["failures"], events[0]["addresses"]) == (5, 5)
