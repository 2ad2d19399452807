"""Redis goes away in every way there is: each request ends in time with a documented answer, nobody gets in without a
code, and when it is back everything goes on without a restart (promise 7)."""

import asyncio
import time
from contextlib import contextmanager

import pytest

from gateway.transaction import DELIVERING_SECONDS
from tests.chaos.accounts import code_for, crowd
from tests.chaos.forms import form
from tests.chaos.peers import WIN, load_scripts
from tests.world import Answer, wrong

pytestmark = pytest.mark.chaos

TIMEOUT_SECONDS = 1
# A few questions to Redis one after the other, each with its time limit.
MOST_SECONDS = 5
FAST = {"store": {"timeout_seconds": TIMEOUT_SECONDS}}
DOCUMENTED = {
    (200, None),
    (403, "transaction_closed"),
    (403, "wrong_otp"),
    (503, "store_unavailable"),
    (504, "drupal_timeout"),
}

one, two, three, four = (crowd(number) for number in range(1, 5))


@contextmanager
def stopped(server):
    server.stop()
    yield
    server.start()


@contextmanager
def paused(server):
    server.pause()
    yield
    server.resume()


@contextmanager
def read_only(server):
    """As after a failover: what was the primary now follows somebody."""
    assert server.ask("REPLICAOF 127.0.0.1 1") == b"+OK\r\n"
    yield
    assert server.ask("REPLICAOF NO ONE") == b"+OK\r\n"


@contextmanager
def full(server):
    assert server.ask("CONFIG SET maxmemory-policy noeviction") == b"+OK\r\n"
    assert server.ask("CONFIG SET maxmemory 1") == b"+OK\r\n"
    try:
        yield
    finally:
        assert server.ask("CONFIG SET maxmemory 0") == b"+OK\r\n"


async def all_endpoints(frontend, waiting: Answer, code: str) -> list[Answer]:
    """Ask for everything at once, and hold each answer against the promises."""

    async def timed(asking) -> Answer:
        began = time.monotonic()
        answer = await asking
        assert time.monotonic() - began < MOST_SECONDS
        assert (answer.status, answer.code) in DOCUMENTED, answer
        assert answer.status != 503 or int(answer.headers["Retry-After"]) >= 1
        return answer

    return await asyncio.gather(
        timed(frontend.authenticate(two.name, two.password)),
        timed(frontend.authenticate(three.name, "no-such-pass")),
        timed(frontend.status(waiting)),
        timed(frontend.resend(waiting)),
        timed(frontend.login(waiting, wrong(code))),
        timed(frontend.login(waiting, code)),
    )


async def logs_in(world, frontend, user) -> None:
    """A whole login, within the time that couriers and wires need to find back."""
    async with asyncio.timeout(15):
        while (opened := await frontend.authenticate(user.name, user.password)).status != 200:
            assert (opened.status, opened.code) == (503, "store_unavailable")
            await asyncio.sleep(0.2)
    answer = await frontend.login(opened, await code_for(world, user))
    assert answer.status == 200
    assert answer.cookies


@pytest.mark.parametrize("away", [stopped, paused, read_only, full], ids=lambda away: away.__name__)
async def test_while_redis_is_away_every_request_ends_in_time_and_nobody_gets_in(world, start, redis_server, away):
    [process] = await start(FAST)
    frontend = world.visit(process.url)
    waiting = await frontend.authenticate(one.name, one.password)
    code = await code_for(world, one)

    with away(redis_server):
        for _ in range(form(short=1, long=5)):
            answers = await all_endpoints(frontend, waiting, code)
            assert (answers[0].status, answers[0].code) == (503, "store_unavailable")
            assert {answer.status for answer in answers[3:]} == {503}
            assert not [answer for answer in answers if answer.cookies]
            await asyncio.sleep(form(short=0.2, long=1))

    await logs_in(world, frontend, four)
    # What was opened at Drupal in the meantime did not stay.
    await world.eventually(lambda: not world.drupal.ledger.alive(two.uid), seconds=20)
    assert len(world.mailbox.mails) <= 3


async def test_a_redis_that_comes_back_empty_closes_what_it_has_forgotten_and_takes_up_the_new(
    world, start, redis_server
):
    [process] = await start(FAST)
    frontend = world.visit(process.url)
    waiting = await frontend.authenticate(one.name, one.password)
    code = await code_for(world, one)

    redis_server.restart()

    await logs_in(world, frontend, two)
    for again in (frontend.login(waiting, code), frontend.resend(waiting), frontend.status(waiting)):
        answer = await again
        assert (answer.status, answer.code) == (403, "transaction_closed")
        assert not answer.cookies


async def test_emptied_while_couriers_wait_it_still_has_the_next_code_sent(world, start, redis_server):
    [process] = await start(FAST)
    frontend = world.visit(process.url)
    await logs_in(world, frontend, one)

    redis_server.flush()

    await logs_in(world, frontend, two)


async def test_a_swap_that_happened_unseen_hands_nothing_over_and_its_session_is_ended(world, start, redis_server, tap):
    """Redis hangs with the right code in its hands, and does what it was asked for after nobody waits any more."""
    seconds = form(short=3, long=5)
    [process] = await start({"store": {"url": tap.url, "timeout_seconds": TIMEOUT_SECONDS}})
    frontend = world.visit(process.url)
    waiting = await frontend.authenticate(one.name, one.password)
    code = await code_for(world, one)
    tap.on(WIN, redis_server.pause)

    began = time.monotonic()
    unseen = await frontend.login(waiting, code)

    assert (unseen.status, unseen.code) == (503, "store_unavailable")
    assert time.monotonic() - began < MOST_SECONDS
    await asyncio.sleep(max(0, began + seconds - time.monotonic()))
    redis_server.resume()
    again = await frontend.login(waiting, code)
    assert (again.status, again.code) == (403, "transaction_closed")
    assert not unseen.cookies
    assert not again.cookies
    [session] = world.drupal.ledger.sessions
    world.clock.ahead = 300 + DELIVERING_SECONDS
    async with world.open_gateway():
        await world.eventually(lambda: not session.is_alive)
    await logs_in(world, frontend, two)


async def test_restarted_again_and_again_it_never_needs_the_gateway_to_be(world, start, redis_server):
    [process] = await start(FAST)
    frontend = world.visit(process.url)
    for number in range(form(short=2, long=20)):
        redis_server.restart()
        if number % 2:
            load_scripts(redis_server)
        await logs_in(world, frontend, crowd(100 + number))

    assert process.process.returncode is None
    assert not process.events("reaper.internal")
    assert not [line for line in process.log if '"internal' in line or ".internal" in line]
