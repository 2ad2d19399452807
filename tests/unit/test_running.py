"""What goes on when its connection has gone."""

import asyncio

from structlog.testing import capture_logs

from gateway.web.http.running import Running


async def test_what_is_kept_is_known_until_it_has_ended():
    running, end = Running(), asyncio.Event()

    async def work():
        await end.wait()

    running.keep(work())
    [task] = running.tasks
    end.set()
    await task
    await asyncio.sleep(0)

    assert not running.tasks


async def test_a_bug_in_it_is_said_by_its_place_and_never_in_its_words():
    running = Running()

    async def work():
        raise ZeroDivisionError("alice's password")

    with capture_logs() as events:
        running.keep(work())
        await asyncio.wait(running.tasks)
        await asyncio.sleep(0)

    [event] = events
    assert (event["event"], event["error"]) == ("http.internal", "ZeroDivisionError")
    assert "alice" not in str(event)


async def test_what_is_given_up_says_nothing():
    running = Running()

    with capture_logs() as events:
        running.keep(asyncio.sleep(60))
        [task] = running.tasks
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)

    assert not events
    assert not running.tasks


async def test_seconds_that_are_left_are_shared():
    running = Running()
    assert running.left(30) == 30

    running.stop(within_seconds=0.2)
    assert running.left(30) <= 0.2
    assert running.left(0.1) == 0.1
    await asyncio.sleep(0.25)

    assert running.left(30) == 0
