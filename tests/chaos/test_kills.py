"""`kill -9` at each step of a login: what a second process on the same Redis makes of what was left (promises 3 and 8).

The first process reaches Redis by a tap that stops it right after the step was done there, and before it knows.
"""

import asyncio

import pytest

from gateway.demo.faults import Endpoint, Fault, Gate, Kind
from gateway.demo.ledger import Ending
from gateway.transaction import HANDING_SECONDS
from tests.chaos.accounts import code_for, codes_for, crowd, mails_to
from tests.chaos.peers import HAND, PARK, POST, REMOVE, STORE, WIN, Request, opening, typing
from tests.world import cookie_pair

pytestmark = pytest.mark.chaos

LIFETIME_SECONDS = 2
CODE = {"resend_wait_seconds": 0, "lifetime_seconds": LIFETIME_SECONDS}
# Whoever finds the time to watch nothing happen.
QUIET_SECONDS = 1.5

user = crowd(0)
body = opening(user.name, user.password)


async def killed_at(step, tap, process, request: Request) -> None:
    """Send *request* and kill its process when the step is done in Redis; nobody answers."""
    tap.after(step)
    await request.open()
    await request.send()
    await tap.reached()
    await process.kill()
    with pytest.raises((EOFError, OSError)):
        await request.answer()


def the_session(world):
    [session] = world.drupal.ledger.sessions
    return session


# In the middle of /authenticate


@pytest.mark.parametrize("step", [PARK, STORE], ids=["park", "store"])
async def test_a_session_parked_by_a_killed_process_is_logged_out_in_time_and_no_code_is_sent(world, start, tap, step):
    first, second = await start({"store": {"url": tap.url}, "code": CODE}, {"code": CODE})

    await killed_at(step, tap, first, Request(first.url, "authenticate", body))

    session = the_session(world)
    assert session.is_alive
    await world.eventually(lambda: not session.is_alive, seconds=LIFETIME_SECONDS + 4)
    assert session.how is Ending.LOGGED_OUT
    assert session.ended - session.born >= LIFETIME_SECONDS - 0.1
    assert not world.mailbox.mails
    assert second.events("reaper.logged_out")


async def test_a_code_accepted_by_a_killed_process_still_arrives(world, start, tap):
    code = {"lifetime_seconds": 6}
    first, _ = await start({"store": {"url": tap.url}, "code": code}, {"code": code})
    # The first would take it up itself, being a courier too.
    with world.mailbox.held("MAIL"):
        await killed_at(POST, tap, first, Request(first.url, "authenticate", body))

    # Its connection died with it, or another courier has it; whoever is held goes on.
    await code_for(world, user, seconds=5)
    assert len(set(codes_for(world, user))) == 1
    await world.eventually(lambda: not the_session(world).is_alive, seconds=10)


async def test_a_process_killed_while_drupal_is_asked_for_contacts_leaves_its_session_to_the_reaper(world, start):
    first, _second = await start({"code": CODE}, {"code": CODE})
    world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.CONTACTS)
    request = await Request(first.url, "authenticate", body).open()
    await request.send()
    await world.eventually(lambda: any(path.endswith(f"/{user.uid}/edit") or "jsonapi" in path for path in paths(world)))

    await first.kill()
    request.leave()

    world.drupal.fault = None
    await world.eventually(lambda: the_session(world).how is Ending.LOGGED_OUT, seconds=LIFETIME_SECONDS + 4)


def paths(world) -> list[str]:
    return [call.path.partition("?")[0] for call in world.drupal.calls]


async def test_a_login_in_flight_at_drupal_is_the_one_session_that_a_kill_can_leave_behind(world, start):
    first, _second = await start({"code": CODE}, {"code": CODE})
    gate = world.drupal.gate = Gate(after_birth=True)
    request = await Request(first.url, "authenticate", body).open()
    await request.send()
    await gate.reached()

    await first.kill()
    request.leave()

    gate.release()
    world.drupal.gate = None
    await asyncio.sleep(LIFETIME_SECONDS + QUIET_SECONDS)
    assert the_session(world).is_alive


# In the middle of a delivery


@pytest.mark.parametrize("stage", ["MAIL", "DATA", "TEXT"])
async def test_a_mail_on_its_way_in_a_killed_process_is_sent_by_another_with_the_same_code(world, start, stage):
    [first] = await start({})
    frontend = world.visit(first.url)
    with world.mailbox.held(stage):
        opened = await frontend.authenticate(user.name, user.password)
        await world.mailbox.reached(stage)
        [second] = await start({})
        await first.kill()
        await asyncio.sleep(0.1)

    code = await code_for(world, user)
    await asyncio.sleep(QUIET_SECONDS)
    frontend = world.visit(second.url)
    assert set(codes_for(world, user)) == {code}
    # After the dot the server has it, and only the killed one would have heard so.
    assert len(mails_to(world, user)) <= (2 if stage == "TEXT" else 1)
    assert (await frontend.status(opened))["delivery"] == "sent"
    assert (await frontend.login(opened, code)).status == 200


# In the middle of /login


@pytest.mark.parametrize("step", [WIN, HAND], ids=["win", "hand"])
async def test_a_session_that_a_killed_process_was_handing_over_ends_after_the_grace(world, start, tap, step):
    await handing(world, start, tap)
    tap_frontend, opened, code, first = world.handing

    await killed_at(step, tap, first, Request(first.url, "login", typing(opened, code)))

    await ends_after_the_grace_and_not_before(world)
    assert tap_frontend


async def test_a_session_whose_answer_left_right_before_the_kill_ends_too_and_the_person_logs_in_again(world, start, tap):
    await handing(world, start, tap)
    _, opened, code, first = world.handing
    tap.before(REMOVE)
    request = await Request(first.url, "login", typing(opened, code)).open()
    await request.send()
    answer = await request.answer()
    await tap.reached()
    session = the_session(world)
    assert cookie_pair(answer.cookies[0]).partition("=")[2] == session.value

    await first.kill()

    await ends_after_the_grace_and_not_before(world)
    async with world.open_gateway() as frontend:
        world.clock.ahead = 0
        again = await frontend.authenticate(user.name, user.password)
        assert (await frontend.login(again, await code_for(world, user, 2))).status == 200


async def handing(world, start, tap) -> None:
    """A login that waits for its code, in a process behind the tap."""
    [first] = await start({"store": {"url": tap.url}})
    frontend = world.visit(first.url)
    opened = await frontend.authenticate(user.name, user.password)
    world.handing = frontend, opened, await code_for(world, user), first


async def ends_after_the_grace_and_not_before(world) -> None:
    """A second gateway whose clock is ahead sees to it; nobody else gets in by the same code."""
    session = the_session(world)
    _, opened, code, _ = world.handing
    world.clock.ahead = HANDING_SECONDS - 10
    async with world.open_gateway() as frontend:
        assert (await frontend.login(opened, code)).code == "transaction_closed"
        await asyncio.sleep(QUIET_SECONDS)
        assert session.is_alive
        # The deadline of one that was never marked is that of its code.
        world.clock.ahead = 300 + HANDING_SECONDS + 1
        await world.eventually(lambda: session.how is Ending.LOGGED_OUT)
        assert (await frontend.login(opened, code)).code == "transaction_closed"
