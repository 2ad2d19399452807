"""`kill -9` at each step of a login: what a second process on the same Redis makes of what was left (promises 3 and 8).

The first process reaches Redis by a tap that stops it right after the step was done there, and before it knows.
"""

import asyncio

import pytest

from gateway.demo.drupal.faults import Endpoint, Fault, Gate, Kind
from gateway.demo.drupal.ledger import Ending
from gateway.transaction import DELIVERING_SECONDS, transaction_key
from tests.chaos.accounts import code_for, codes_for, crowd, mails_to
from tests.chaos.forms import form
from tests.chaos.peers import HAND, PARK, POST, REMOVE, STORE, WIN, Request, opening, typing
from tests.world import cookie_pair

pytestmark = pytest.mark.chaos

LIFETIME_SECONDS = 1
SHORT = {"code": {"lifetime_seconds": LIFETIME_SECONDS}}
# How long nothing must happen before it is believed: the reaper looks every second, a courier dies in one.
QUIET_SECONDS = 1.2

one, two, three = crowd(1), crowd(2), crowd(3)


def by(tap) -> dict[str, object]:
    return {"store": {"url": tap.url}}


async def killed_at(step, tap, process, request: Request) -> None:
    """Send *request* and kill its process when *step* is done in Redis; nobody is answered."""
    tap.after(step)
    await request.open()
    await request.send()
    await tap.reached()
    await process.kill()
    with pytest.raises((EOFError, OSError)):
        await request.answer()


def authenticate(process, user) -> Request:
    return Request(process.url, "authenticate", opening(user.name, user.password))


def session_of(world, user):
    [session] = [session for session in world.drupal.ledger.sessions if session.uid == user.uid]
    return session


# In the middle of /authenticate


async def test_what_a_killed_process_had_parked_is_logged_out_when_its_code_would_have_expired(world, start, taps):
    # The one whose mail was accepted needs the time in which its courier is taken for dead.
    lifetimes = (LIFETIME_SECONDS, LIFETIME_SECONDS, 4)
    *firsts, survivor = await start(
        *({**by(tap), "code": {"lifetime_seconds": seconds}} for tap, seconds in zip(taps, lifetimes, strict=True)), {}
    )
    steps = (PARK, STORE, POST)
    users = (one, two, three)

    await asyncio.gather(
        *(
            killed_at(step, tap, process, authenticate(process, user))
            for step, tap, process, user in zip(steps, taps, firsts, users, strict=True)
        )
    )

    sessions = [session_of(world, user) for user in users]
    assert all(session.is_alive for session in sessions)
    await world.eventually(lambda: not world.drupal.ledger.alive(), seconds=12)
    assert all(session.how is Ending.LOGGED_OUT for session in sessions)
    for session, seconds in zip(sessions, lifetimes, strict=True):
        assert session.ended - session.born >= seconds - 0.1
    # An accepted delivery is not lost, and none is made of a transaction that nobody was told of.
    assert [len(codes_for(world, user)) for user in users] == [0, 0, 1]
    await world.eventually(lambda: len(survivor.events("reaper.logged_out")) == len(users))


async def test_a_process_killed_while_drupal_is_asked_for_contacts_leaves_its_session_to_the_reaper(world, start):
    [first] = await start(SHORT)
    world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.CONTACTS)
    request = await authenticate(first, one).open()
    await request.send()
    await world.eventually(lambda: any(call.had_cookie for call in world.drupal.calls))

    await first.kill()
    request.leave()

    world.drupal.fault = None
    async with world.open_gateway():
        await world.eventually(lambda: session_of(world, one).how is Ending.LOGGED_OUT)


async def test_a_login_in_flight_at_drupal_is_the_one_session_that_a_kill_leaves_behind(world, start):
    [first] = await start(SHORT)
    gate = world.drupal.gate = Gate(after_birth=True)
    request = await authenticate(first, one).open()
    await request.send()
    await gate.reached()

    await first.kill()
    request.leave()

    gate.release()
    world.drupal.gate = None
    async with world.open_gateway():
        await asyncio.sleep(LIFETIME_SECONDS + QUIET_SECONDS)
        assert session_of(world, one).is_alive


# In the middle of a delivery


@pytest.mark.parametrize("stage", form(short=["DATA"], long=["MAIL", "RCPT", "DATA", "TEXT"]))
async def test_a_mail_on_its_way_in_a_killed_process_is_sent_by_another_with_the_same_code(world, start, stage):
    [first] = await start({})
    frontend = world.visit(first.url)
    with world.mailbox.held(stage):
        opened = await frontend.authenticate(one.name, one.password)
        await world.mailbox.reached(stage)
        [second] = await start({})
        await first.kill()
        # The server hears of it before it goes on.
        await asyncio.sleep(0.1)

    code = await code_for(world, one)
    await asyncio.sleep(QUIET_SECONDS)
    frontend = world.visit(second.url)
    assert set(codes_for(world, one)) == {code}
    # After the dot the server had it, and only the killed process would have heard so.
    assert len(mails_to(world, one)) <= (2 if stage == "TEXT" else 1)
    assert (await frontend.status(opened))["delivery"] == "sent"
    assert (await frontend.login(opened, code)).status == 200


# In the middle of /login


async def test_a_session_that_a_killed_process_was_handing_over_ends_after_the_grace_and_not_before(
    world, start, taps, redis_server
):
    """The code won but was not answered; the session was marked but not answered; the answer left, nobody noted it."""
    processes = await start(*map(by, taps))
    users = (one, two, three)
    opened = [
        await world.visit(process.url).authenticate(user.name, user.password)
        for process, user in zip(processes, users, strict=True)
    ]
    codes = [await code_for(world, user) for user in users]
    logins = [
        Request(process.url, "login", typing(waiting, code))
        for process, waiting, code in zip(processes, opened, codes, strict=True)
    ]
    await killed_at(WIN, taps[0], processes[0], logins[0])
    await killed_at(HAND, taps[1], processes[1], logins[1])
    taps[2].before(REMOVE)
    await logins[2].open()
    await logins[2].send()
    answer = await logins[2].answer()
    assert cookie_pair(answer.cookies[0]).partition("=")[2] == session_of(world, three).value
    await taps[2].reached()
    await processes[2].kill()

    sessions = [session_of(world, user) for user in users]
    for waiting in opened:
        # As for who answers in the last moment: the deadline comes right after the code has won.
        redis_server.ask(f"ZADD headgate:deadlines XX 0 {transaction_key(waiting['transactionID'])}")
    world.clock.ahead = DELIVERING_SECONDS - 15
    async with world.open_gateway() as frontend:
        for waiting, code in zip(opened, codes, strict=True):
            assert (await frontend.login(waiting, code)).code == "transaction_closed"
        await asyncio.sleep(QUIET_SECONDS)
        assert all(session.is_alive for session in sessions)

        world.clock.ahead = DELIVERING_SECONDS + 1
        await world.eventually(lambda: all(session.how is Ending.LOGGED_OUT for session in sessions))

        world.clock.ahead = 0
        again = await frontend.authenticate(three.name, three.password)
        assert (await frontend.login(again, await code_for(world, three, 2))).status == 200
