"""What the outcome of a request says of its time, and of Drupal's within it."""

import asyncio

import pytest

from gateway.telemetry import durations


@pytest.fixture
def clock(monkeypatch):
    """A clock that only a test moves."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(durations, "time", clock)
    return clock


def test_a_request_that_asks_drupal_nothing_says_nothing_of_it(clock):
    stopwatch = durations.start()
    clock.now += 1.5

    assert stopwatch.read() == {"took_ms": 1500}


def test_calls_at_the_same_time_count_once_and_one_that_still_runs_up_to_now(clock):
    stopwatch = durations.Stopwatch()
    for begins in (True, True, False, False):
        stopwatch.call_begins() if begins else stopwatch.call_ends()
        clock.now += 1

    assert stopwatch.read() == {"took_ms": 4000, "drupal_ms": 3000}
    stopwatch.call_begins()
    clock.now += 1
    assert stopwatch.read() == {"took_ms": 5000, "drupal_ms": 4000}


async def test_a_task_of_the_request_counts_for_it_and_for_no_other(clock):
    async def ask():
        with durations.waiting_for_drupal():
            clock.now += 1

    async def request(calls):
        stopwatch = durations.start()
        for _ in range(calls):
            await asyncio.create_task(ask())
        return stopwatch.read()

    assert [(await asyncio.create_task(request(calls))).get("drupal_ms") for calls in (0, 1, 2)] == [None, 1000, 2000]


def test_outside_of_a_request_nothing_is_counted():
    with durations.waiting_for_drupal():
        pass
