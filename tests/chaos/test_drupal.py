"""Drupal going wrong under every endpoint: a documented answer in bounded time, and no session left when it is back.

What needs no Drupal goes on: a code that was sent still logs its person in.
"""

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from gateway.demo.drupal.accounts import example_users
from gateway.demo.drupal.faults import Endpoint, Fault, Kind
from gateway.demo.drupal.ledger import Ending
from gateway.demo.drupal.server import running
from gateway.demo.drupal.site import DrupalOptions
from gateway.login import reaper
from tests.chaos.accounts import code_for, crowd
from tests.chaos.forms import form
from tests.flows.steps import session_of
from tests.ports import free_port
from tests.world import KEY, cookie_pair

pytestmark = pytest.mark.chaos

TIMEOUT_SECONDS = form(short=0.5, long=3.0)
# Of what asks Drupal, one waits for its time-out once for the password or once for the account, and never for both.
BOUND_SECONDS = 2 * TIMEOUT_SECONDS + 1.5
SLOW_SECONDS = form(short=1.2, long=10.0)

INVALID, UNAVAILABLE, TIMEOUT = (502, "drupal_invalid"), (503, "drupal_unavailable"), (504, "drupal_timeout")
FAULTS: dict[str, tuple[Fault | None, set[tuple[int, str]]]] = {
    "reset before an answer": (Fault(kind=Kind.DROP), {UNAVAILABLE}),
    "reset in the middle of an answer": (Fault(kind=Kind.RESET), {UNAVAILABLE}),
    "hanging": (Fault(kind=Kind.HANG), {TIMEOUT}),
    "slow": (Fault(kind=Kind.SLOW, seconds=SLOW_SECONDS), {TIMEOUT}),
    "answering 500": (Fault(kind=Kind.SERVER_ERROR), {INVALID}),
    "without php": (Fault(kind=Kind.BAD_GATEWAY), {INVALID}),
    "with a php that hangs": (Fault(kind=Kind.GATEWAY_TIMEOUT), {INVALID}),
    "answering HTML": (Fault(kind=Kind.HTML), {INVALID}),
    "answering without an end": (Fault(kind=Kind.ENDLESS), {INVALID}),
    "redirecting": (Fault(kind=Kind.REDIRECT, location="http://127.0.0.1:9/user/login"), {INVALID}),
    "in maintenance": (None, {UNAVAILABLE}),
}
# Drupal opens the session, and its cookie never leaves.
ORPHANS = (Kind.DROP, Kind.HANG)


@pytest.fixture(params=["memory", "redis"])
def store(request):
    if request.param == "memory":
        return {"kind": "memory"}
    return {"kind": "redis", "url": request.getfixturevalue("redis_server").url}


@pytest.fixture
def drupal_options():
    users = (*example_users(), *(crowd(number) for number in range(2 * len(FAULTS))))
    return DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), users=users)


@pytest.fixture(autouse=True)
def _a_quick_reaper(monkeypatch):
    monkeypatch.setattr(reaper, "IDLE_SECONDS", 0.02)


def goes_wrong(world, fault: Fault | None) -> None:
    world.drupal.fault, world.drupal.maintenance = fault, fault is None


def is_well_again(world) -> None:
    world.drupal.fault, world.drupal.maintenance = None, False
    # Whoever hangs is let go.
    world.drupal.closing.set()
    world.drupal.closing = asyncio.Event()


async def ask(frontend, endpoint, body, **headers):
    """The answer and how long it took. Each request comes from an address of its own."""
    began = time.monotonic()
    answer = await frontend.post(endpoint, body | {"apiKey": KEY}, headers=headers)
    return answer, time.monotonic() - began


async def waiting(world, frontend, number):
    """A login that waits for its code: the body of a request about it, and the code."""
    user = crowd(number)
    opened, _ = await ask(frontend, "authenticate", {"username": user.name, "password": user.password})
    assert opened.status == 200
    told = {key: opened[key] for key in ("username", "transactionID", "authType")}
    return told, await code_for(world, user)


@pytest.mark.parametrize("what", FAULTS)
async def test_every_endpoint_answers_as_documented_and_afterwards_no_session_is_left(world, what, monkeypatch):
    # A log-out that fails just before Drupal is well again is tried again soon.
    monkeypatch.setattr(reaper, "AGAIN_SECONDS", 0.5)
    fault, expected = FAULTS[what]
    async with world.open_gateway(drupal={"timeout_seconds": TIMEOUT_SECONDS}) as frontend:
        (winning, code), (cancelled, _), (resent, _), (lasting, its_code), (handed, handed_code) = [
            await waiting(world, frontend, number) for number in range(5)
        ]
        won, _ = await ask(frontend, "login", handed | {"otp": handed_code})
        mails = len(world.mailbox.mails)
        goes_wrong(world, fault)

        user = crowd(9)
        (refused, *_), *others = answers = await asyncio.gather(
            ask(frontend, "authenticate", {"username": user.name, "password": user.password}),
            ask(frontend, "login", winning | {"otp": code}),
            ask(frontend, "resend", resent),
            ask(frontend, "status", resent),
            ask(frontend, "cancel", cancelled),
            ask(
                frontend,
                "logout",
                {"logout_token": won["session"]["logout_token"]},
                Cookie=cookie_pair(won.cookies[0]),
            ),
        )
        logged_out = others[-1][0]

        assert max(took for _, took in answers) < BOUND_SECONDS
        assert (refused.status, refused.code) in expected
        assert "Retry-After" in refused.headers or refused.status != 503
        assert [answer.status for answer, _ in others[:-1]] == [200] * 4
        # A 204 that breaks off is one all the same.
        done = logged_out.status == 200 and not session_of(world, won).is_alive
        assert done or (logged_out.status, logged_out.code) in expected
        await world.eventually(lambda: len(world.mailbox.mails) == mails + 1)

        is_well_again(world)
        again, _ = await ask(frontend, "login", lasting | {"otp": its_code})
        assert again.status == 200
        await world.answers_handed_over()
        world.clock.ahead = 400
        # Handed over to their persons, and perhaps logged out by one of them; nobody ever had the cookie of an orphan.
        left = [crowd(0).uid, crowd(3).uid]
        left += [crowd(4).uid] if session_of(world, won).is_alive else []
        left += [user.uid] if fault and fault.kind in ORPHANS else []
        await world.eventually(lambda: sorted(session.uid for session in world.drupal.ledger.alive()) == left)
        assert len(world.mailbox.mails) == mails + 1


# Maintenance refuses the password already, so no account is read in it.
@pytest.mark.parametrize("what", [what for what, (fault, _) in FAULTS.items() if fault])
async def test_an_account_that_cannot_be_read_ends_its_session_and_sends_nothing(world, what):
    fault, expected = FAULTS[what]
    async with world.open_gateway(drupal={"timeout_seconds": TIMEOUT_SECONDS}) as frontend:
        goes_wrong(world, Fault(kind=fault.kind, at=Endpoint.CONTACTS, seconds=fault.seconds, location=fault.location))
        user = crowd(0)

        refused, took = await ask(frontend, "authenticate", {"username": user.name, "password": user.password})

        assert (refused.status, refused.code) in expected
        assert took < BOUND_SECONDS
        is_well_again(world)
        await world.eventually(lambda: not world.drupal.ledger.alive())
        assert [session.how for session in world.drupal.ledger.sessions] == [Ending.LOGGED_OUT]
        assert not world.mailbox.mails


@asynccontextmanager
async def its_own_drupal(world):
    """A port on which Drupal can be started and stopped, as a container is."""
    port = free_port()
    async with AsyncExitStack() as up:
        await up.enter_async_context(running(world.drupal, port=port))
        yield f"http://localhost:{port}", up, port


async def test_sessions_that_were_due_while_drupal_was_down_end_when_it_is_back(world):
    async with (
        its_own_drupal(world) as (url, up, port),
        world.open_gateway(drupal={"url": url, "timeout_seconds": 2}) as frontend,
    ):
        for number in range(6):
            await waiting(world, frontend, number)
        cancelled, _ = await waiting(world, frontend, 6)
        await up.aclose()

        down, took = await ask(frontend, "authenticate", {"username": "alice", "password": "alice-pass-1"})
        assert (down.status, down.code) == UNAVAILABLE
        assert took < 1
        assert (await ask(frontend, "cancel", cancelled))[0].status == 200
        world.clock.ahead = 301
        await asyncio.sleep(0.3)
        assert len(world.drupal.ledger.alive()) == 7

        async with running(world.drupal, port=port):
            # Postponed by a quarter of a minute each time.
            world.clock.ahead += 60
            await world.eventually(lambda: not world.drupal.ledger.alive())
            assert {session.how for session in world.drupal.ledger.sessions} == {Ending.LOGGED_OUT}


async def test_a_reaper_that_meets_maintenance_comes_back_later_and_each_session_once(world):
    async with world.open_gateway(drupal={"timeout_seconds": 2}) as frontend:
        for number in range(3):
            await waiting(world, frontend, number)
        world.drupal.maintenance = True
        world.clock.ahead = 301
        await world.eventually(lambda: len(world.drupal.called("/user/logout")) == 3)
        await asyncio.sleep(0.3)

        # Half a minute it is left alone: some three hundred turns of the reaper in between.
        assert len(world.drupal.called("/user/logout")) == 3
        world.clock.ahead += 31
        await world.eventually(lambda: len(world.drupal.called("/user/logout")) == 6)
        world.drupal.maintenance = False
        world.clock.ahead += 31
        await world.eventually(lambda: len(world.drupal.called("/user/logout")) == 9)
        await asyncio.sleep(0.1)

        # Whom Drupal meets in maintenance it logs out itself; 403 afterwards means gone.
        assert not world.drupal.ledger.alive()
        world.clock.ahead += 300
        await asyncio.sleep(0.1)
        assert len(world.drupal.called("/user/logout")) == 9


async def test_after_any_trouble_the_next_login_works_without_a_restart(world):
    async with world.open_gateway(drupal={"timeout_seconds": TIMEOUT_SECONDS}) as frontend:
        for number, (fault, _) in enumerate(FAULTS.values()):
            goes_wrong(world, fault)
            user = crowd(2 * number)
            refused, _ = await ask(frontend, "authenticate", {"username": user.name, "password": user.password})
            assert refused.status in (502, 503, 504)
            is_well_again(world)

            told, code = await waiting(world, frontend, 2 * number + 1)
            assert (await ask(frontend, "login", told | {"otp": code}))[0].status == 200
