"""Clients that leave: whatever they heard of, no session is left that nobody answers for."""

import asyncio

import pytest

from gateway.demo.drupal.faults import Gate
from gateway.demo.drupal.ledger import Ending
from gateway.drupal.session import SessionDrupal
from gateway.errors import DrupalUnavailable
from gateway.login import reaper
from tests.flows.steps import all_ended
from tests.wire import line, request
from tests.world import KEY, PASSWORDS, code_in, pending


def password(username="alice"):
    return request("authenticate", {"username": username, "password": PASSWORDS[username], "apiKey": KEY})


def code_for(opened, otp):
    return request("login", pending(opened) | {"authType": opened["authType"], "otp": otp, "apiKey": KEY})


def leave(open_line, how):
    match how:
        case "FIN":
            open_line.finish()
        case "RST":
            open_line.reset()
        case "close":
            open_line.writer.close()


WAYS = ["FIN", "RST", "close"]


@pytest.mark.parametrize("how", WAYS)
async def test_who_leaves_before_the_password_is_there_has_asked_for_nothing(world, frontend, how):
    async with line(world.url) as open_line:
        await open_line.send(password()[:-10])
        leave(open_line, how)
    await asyncio.sleep(0.05)

    assert not world.drupal.calls


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("after_birth", [False, True])
async def test_who_leaves_while_drupal_checks_the_password_leaves_no_session(world, frontend, events, how, after_birth):
    world.drupal.gate = Gate(after_birth=after_birth)
    async with line(world.url) as open_line:
        await open_line.send(password())
        await world.drupal.gate.reached()
        leave(open_line, how)
        await asyncio.sleep(0.02)
        world.drupal.gate.release()
        await world.eventually(lambda: outcomes(events, "authenticate"))
    world.clock.ahead = 301

    await all_ended(world)
    assert world.drupal.login_calls == 1


@pytest.mark.parametrize("how", WAYS)
async def test_who_leaves_after_the_password_leaves_a_session_that_ends_in_time(world, frontend, how):
    async with line(world.url) as open_line:
        await open_line.send(password())
        assert (await open_line.reply()).status == 200
        leave(open_line, how)
    assert len(world.drupal.ledger.alive()) == 1
    world.clock.ahead = 301

    await all_ended(world)


@pytest.mark.parametrize("how", WAYS)
async def test_who_leaves_with_the_code_on_its_way_is_given_the_session_or_it_ends(world, frontend, events, how):
    """Whether the answer still left is a race; the event about it and the ledger must agree."""
    for round_, name in enumerate(["alice", "bob", "dave", "admin"] * 3, start=1):
        opened = await frontend.authenticate(name)
        code = code_in(await world.mailbox.mail(round_))
        async with line(world.url) as open_line:
            open_line.writer.write(code_for(opened, code))
            await asyncio.sleep(0.0005 * (round_ % 4))
            leave(open_line, how)
            await world.eventually(lambda before=round_: len(outcomes(events)) == before)
    await world.answers_handed_over()
    world.clock.ahead = 301
    await world.eventually(lambda: len(world.drupal.ledger.alive()) == outcomes(events).count("login.ok"))

    ended = [session for session in world.drupal.ledger.sessions if not session.is_alive]
    assert {session.how for session in ended} <= {Ending.LOGGED_OUT}
    assert len(ended) == len(outcomes(events)) - outcomes(events).count("login.ok")


async def test_an_answer_that_did_not_leave_is_logged_out_without_waiting_for_the_reaper(world, events, monkeypatch):
    monkeypatch.setattr(reaper, "IDLE_SECONDS", 60)
    async with world.open_gateway() as frontend:
        for number, name in enumerate(["alice", "bob", "dave", "admin"] * 5, start=1):
            opened = await frontend.authenticate(name)
            code = code_in(await world.mailbox.mail(number))
            async with line(world.url) as open_line:
                open_line.writer.write(code_for(opened, code))
                leave(open_line, "close")
                await world.eventually(lambda before=number: len(outcomes(events)) == before)
        assert "login.client_gone" in outcomes(events)

        await world.eventually(
            lambda: len(world.drupal.ledger.alive()) == outcomes(events).count("login.ok"), seconds=2
        )
    assert outcomes(events, "reaper").count("reaper.logged_out") == outcomes(events).count("login.client_gone")


async def test_who_has_the_answer_keeps_the_session(world, frontend):
    opened = await frontend.authenticate()
    async with line(world.url) as open_line:
        await open_line.send(code_for(opened, await world.code()))
        assert (await open_line.reply()).status == 200
        open_line.reset()
    await world.answers_handed_over()
    world.clock.ahead = 3 * 86_400
    await frontend.authenticate("bob")
    world.clock.ahead += 301

    await world.eventually(lambda: not world.drupal.ledger.alive(3))
    assert len(world.drupal.ledger.alive(2)) == 1


async def test_a_client_that_leaves_is_no_error_of_ours(world, frontend, events):
    for how in WAYS:
        async with line(world.url) as open_line:
            await open_line.send(password())
            leave(open_line, how)
    await asyncio.sleep(0.3)

    assert not [event for event in events if event["log_level"] in ("error", "critical")]


def outcomes(events, endpoint="login"):
    """What became of each request that was heard."""
    return [event["event"] for event in events if event["event"].startswith(f"{endpoint}.")]


class TestGoingDown:
    @pytest.fixture
    def store(self):
        return {"kind": "memory"}

    async def test_a_store_that_dies_with_its_process_takes_its_sessions_along(self, world):
        async with world.open_gateway() as frontend:
            for name in ("alice", "bob", "dave"):
                await frontend.authenticate(name)
            opened = await frontend.authenticate("admin")
            answer = await frontend.login(opened, await self.code_of(world, "admin"))

        assert answer.status == 200
        assert [session.uid for session in world.drupal.ledger.alive()] == [1]

    async def test_a_session_that_cannot_be_ended_keeps_no_other_from_being_ended(self, world, monkeypatch):
        log_out = SessionDrupal.log_out

        async def refusing(self, session, *, visitor=None):
            if session.uid == "2":
                raise DrupalUnavailable("refused")
            return await log_out(self, session, visitor=visitor)

        async with world.open_gateway() as frontend:
            for username in ("alice", "alice", "alice", "bob"):
                assert (await frontend.authenticate(username)).status == 200
            monkeypatch.setattr("gateway.login.reaper.AT_ONCE", 3)
            monkeypatch.setattr(SessionDrupal, "log_out", refusing)

        assert not world.drupal.ledger.alive(3)
        assert len(world.drupal.ledger.alive(2)) == 3

    async def code_of(self, world, name):
        await world.eventually(
            lambda: any(mail.recipients == (f"{name}@example.test",) for mail in world.mailbox.mails)
        )
        return next(code_in(mail) for mail in world.mailbox.mails if mail.recipients == (f"{name}@example.test",))
