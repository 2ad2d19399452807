"""Redis away: every endpoint says so, soon, and nobody is let in; what Drupal opened meanwhile ends."""

import asyncio
import time

import pytest

from gateway.demo.drupal.faults import Gate
from tests.flows.steps import all_ended, session_of
from tests.world import cookie_pair


@pytest.fixture
def store(redis_server):
    return {"kind": "redis", "url": redis_server.url, "timeout_seconds": 0.5}


@pytest.fixture(params=["stopped", "paused"])
def away(request, redis_server):
    """Turn Redis off, and on again. A paused one takes connections and answers nothing."""
    if request.param == "paused":
        yield redis_server.pause, redis_server.resume
        redis_server.resume()
    else:
        yield redis_server.stop, redis_server.start


async def test_every_endpoint_is_503_within_seconds_and_works_again_after(world, frontend, away):
    off, on = away
    opened = await frontend.authenticate()
    code = await world.code()
    off()
    calls = len(world.drupal.calls)

    asks = {
        "authenticate": lambda: frontend.authenticate("bob"),
        "login": lambda: frontend.login(opened, code),
        "resend": lambda: frontend.resend(opened),
        "status": lambda: frontend.status(opened),
        "cancel": lambda: frontend.cancel(opened),
    }
    for endpoint, ask in asks.items():
        began = time.monotonic()
        answer = await ask()
        assert (answer.status, answer.code) == (503, "store_unavailable"), endpoint
        assert int(answer.headers["Retry-After"]) > 0, endpoint
        assert answer["username"] == ("bob" if endpoint == "authenticate" else "alice")
        assert time.monotonic() - began < 2.5, endpoint
    assert len(world.drupal.calls) == calls

    await asyncio.to_thread(on)
    assert await eventually_ok(lambda: frontend.authenticate("bob"))


async def test_a_wrong_password_reads_no_other_than_a_right_one_while_the_store_is_away(world, frontend, redis_server):
    redis_server.stop()

    right, wrong = await frontend.authenticate(), await frontend.authenticate("alice", "nope")

    assert right.raw == wrong.raw
    assert not world.drupal.called("/user/login")


async def test_a_session_opened_while_the_store_went_away_ends_at_drupal(world, frontend, away):
    off, _ = away
    world.drupal.gate = Gate(after_birth=True)
    asking = asyncio.create_task(frontend.authenticate())
    await world.drupal.gate.reached()
    off()
    world.drupal.gate.release()

    answer = await asking

    assert (answer.status, answer.code) == (503, "store_unavailable")
    await all_ended(world)
    assert len(world.drupal.ledger.sessions) == 1


async def test_logging_out_needs_no_store(world, redis_server, events):
    # The removal of the login may still be on its way to the store, and would be tried until the shutdown is over.
    async with world.open_gateway(shutdown_seconds=0.5) as frontend:
        opened = await frontend.authenticate()
        logged_in = await frontend.login(opened, await world.code())
        await world.eventually(lambda: any(event["event"] == "login.ok" for event in events))
        redis_server.stop()

        answer = await frontend.logout(cookie_pair(logged_in.cookies[0]), logged_in["session"]["logout_token"])

        assert answer.status == 200
        assert not session_of(world, logged_in).is_alive


async def test_a_store_that_was_emptied_knows_no_login(world, frontend, redis_server):
    opened = await frontend.authenticate()
    code = await world.code()
    redis_server.flush()

    answer = await frontend.login(opened, code)

    assert (answer.status, answer.code) == (403, "transaction_closed")
    assert not answer.cookies


async def test_while_the_store_hangs_no_code_wins_twice(world, frontend, redis_server):
    opened = await frontend.authenticate()
    code = await world.code()
    redis_server.pause()
    first = await frontend.login(opened, code)
    redis_server.resume()

    later = [await frontend.login(opened, code) for _ in range(3)]

    assert first.code == "store_unavailable"
    assert [answer.status for answer in later].count(200) <= 1
    world.clock.ahead = 301
    won = [session_of(world, answer) for answer in later if answer.status == 200]
    await world.eventually(lambda: world.drupal.ledger.alive() == won)


async def eventually_ok(ask):
    for _ in range(100):
        answer = await ask()
        if answer.status == 200:
            return True
        await asyncio.sleep(0.05)
    return False
