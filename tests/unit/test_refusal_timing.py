"""When a refusal may be answered. No test sleeps: a wait moves the clock on."""

import time
from random import Random
from types import SimpleNamespace

import pytest

from gateway.login.refusal_timing import (
    CAUTION_SECONDS,
    CAUTIOUS_FACTOR,
    CAUTIOUS_SECONDS,
    HEADROOM,
    JITTER,
    LEAST_SECONDS,
    REMEMBERED,
    RefusalTiming,
)

MOST = 15.0


class Still(Random):
    """Draws the lower end, always."""

    def uniform(self, a, b):
        return a


class Wild(Random):
    """Draws the upper end, always."""

    def uniform(self, a, b):
        return b


def after(*seconds, rng=None, most_seconds=MOST, clock=None):
    """What is known after logins that took so long."""
    timing = RefusalTiming(rng or Still(), most_seconds=most_seconds, clock=clock or time.monotonic)
    for each in seconds:
        timing.remember(each)
    return timing


@pytest.fixture
def answered(monkeypatch):
    """Tells after how many seconds a refusal that took so long is answered."""
    clock = SimpleNamespace(now=1000.0)

    async def sleep(seconds):
        assert seconds >= 0
        clock.now += seconds

    loop = SimpleNamespace(time=lambda: clock.now)
    monkeypatch.setattr(
        "gateway.login.refusal_timing.asyncio", SimpleNamespace(sleep=sleep, get_running_loop=lambda: loop)
    )

    async def wait(timing, *, took):
        began = clock.now
        clock.now += took
        await timing.wait(since=began)
        return pytest.approx(clock.now - began)

    return wait


def test_before_the_first_login_a_step_is_the_cautious_one():
    assert after().step() == CAUTIOUS_SECONDS
    assert after(0.1).step() == LEAST_SECONDS


def test_logins_that_are_fast_leave_it_there():
    assert after(0.071, 0.3, 0.3).step() == LEAST_SECONDS


def test_it_leaves_headroom_over_slow_logins():
    assert after(1.0).step() == HEADROOM


def test_of_a_hundred_logins_the_slowest_does_not_count_and_the_next_does():
    assert after(*[0.5] * 98, 1.0, 9.0).step() == HEADROOM


def test_of_two_hundred_two_do_not():
    assert after(*[0.5] * 197, 1.0, 9.0, 9.0).step() == HEADROOM


def test_of_fewer_than_a_hundred_the_slowest_counts():
    assert after(*[0.5] * 98, 2.0).step() == 2 * HEADROOM


def test_only_recent_logins_count():
    assert after(9.0, *[0.5] * REMEMBERED).step() == 0.5 * HEADROOM


def test_no_step_is_longer_than_a_login_may_take():
    assert after(14.0).step() == MOST
    assert after(most_seconds=0.25).step() == 0.25


@pytest.mark.parametrize("took", [0.0, 0.011, 0.067, 0.313, 0.39])
async def test_fast_and_slow_refusals_are_answered_after_one_step(answered, took):
    assert await answered(after(0.1), took=took) == LEAST_SECONDS


@pytest.mark.parametrize("took", [0.011, 0.41, 0.5, 0.99])
async def test_before_the_first_login_they_are_answered_after_the_cautious_step(answered, took):
    assert await answered(after(), took=took) == CAUTIOUS_SECONDS


@pytest.mark.parametrize(("took", "steps"), [(0.41, 1), (0.99, 1), (1.01, 2), (3.9, 4)])
async def test_one_that_took_longer_waits_for_the_next_cautious_step(answered, took, steps):
    assert await answered(after(0.1), took=took) == steps * CAUTIOUS_SECONDS


async def test_after_one_that_took_longer_all_wait_as_long_for_an_hour(answered):
    now = 0
    timing = after(0.1, clock=lambda: now)
    await answered(timing, took=0.5)

    assert await answered(timing, took=0.01) == CAUTIOUS_SECONDS
    assert await answered(timing, took=0.6) == CAUTIOUS_SECONDS
    now = CAUTION_SECONDS
    assert await answered(timing, took=0.01) == LEAST_SECONDS


async def test_refusals_make_the_step_no_longer_than_the_cautious_one(answered):
    small, large = after(0.1), after(1.0)
    for took in (0.5, 3.0, 14.0) * 100:
        await answered(small, took=took)
        await answered(large, took=took)

    assert small.step() == CAUTIOUS_SECONDS
    assert large.step() == CAUTIOUS_FACTOR * HEADROOM


async def test_fast_refusals_end_no_caution(answered):
    timing = after(0.1)
    await answered(timing, took=0.5)
    for _ in range(2 * REMEMBERED):
        await answered(timing, took=0.01)

    assert timing.step() == CAUTIOUS_SECONDS


async def test_steps_follow_what_logins_take(answered):
    slow = after(*[1.0] * 10)

    assert [await answered(slow, took=took) for took in (0.01, 0.5, 1.2)] == [HEADROOM] * 3
    assert await answered(slow, took=1.31) == 2 * HEADROOM


@pytest.mark.parametrize("took", [0.0, 0.3])
async def test_chance_adds_a_part_of_a_step_at_most(answered, took):
    assert await answered(after(0.1, rng=Wild()), took=took) == LEAST_SECONDS * (1 + JITTER)


async def test_chance_is_drawn_from_the_given_source(answered):
    expected = LEAST_SECONDS + Random(7).uniform(0, JITTER * LEAST_SECONDS)

    assert await answered(after(0.1, rng=Random(7)), took=0.05) == expected


@pytest.mark.parametrize("took", [0.1, 13.0, 14.9, 15.0])
async def test_none_waits_longer_than_a_login_may_take(answered, took):
    assert await answered(after(14.0, rng=Wild()), took=took) == MOST


async def test_one_that_took_even_longer_is_answered_at_once(answered):
    assert await answered(after(14.0, rng=Wild()), took=17.5) == 17.5
