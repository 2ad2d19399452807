"""Sessions whose cookie the gateway received in an answer that was no login: each is ended all the same."""

import asyncio
from typing import ClassVar

import pytest

from gateway.demo.drupal.faults import Endpoint, Fault, Gate, Kind
from gateway.demo.drupal.ledger import Ending
from gateway.drupal import reading_on
from tests.flows.steps import all_ended
from tests.wire import line, request
from tests.world import KEY

ALICE = {"username": "alice", "password": "alice-pass-1", "apiKey": KEY}


@pytest.fixture
def store():
    return {"kind": "memory"}


async def test_a_login_answer_that_breaks_off_after_its_cookie_leaves_no_session(world, frontend):
    world.drupal.fault = Fault(kind=Kind.RESET, at=Endpoint.LOGIN)

    answer = await frontend.authenticate()

    assert answer.code in ("drupal_unavailable", "drupal_invalid")
    assert b"SESS" not in answer.raw
    assert not answer.cookies
    assert len(world.drupal.ledger.sessions) == 1
    await all_ended(world)
    assert not world.mailbox.mails


@pytest.mark.parametrize("after_birth", [True, False])
async def test_a_login_that_outlives_its_time_leaves_no_session(world, after_birth):
    gate = world.drupal.gate = Gate(after_birth=after_birth)
    async with world.open_gateway(drupal={"timeout_seconds": 0.3}) as frontend:
        answer = await frontend.authenticate()

        assert (answer.status, answer.code) == (504, "drupal_timeout")
        gate.release()
        await world.eventually(lambda: world.drupal.ledger.ended(Ending.LOGGED_OUT))
    assert len(world.drupal.ledger.sessions) == 1
    assert not world.mailbox.mails


async def test_a_login_that_stalls_after_its_cookie_is_ended_once_it_has_been_read_on_long_enough(
    world, events, monkeypatch
):
    monkeypatch.setattr(reading_on, "READ_ON_SECONDS", 0.3)
    world.drupal.fault = Fault(kind=Kind.STALL, at=Endpoint.LOGIN)
    async with world.open_gateway(drupal={"timeout_seconds": 0.2}) as frontend:
        answer = await frontend.authenticate()

        assert (answer.status, answer.code) == (504, "drupal_timeout")
        await all_ended(world)
    # It is none: its cookie was received.
    assert not orphans(events)


async def test_a_session_that_comes_at_the_very_end_of_reading_on_is_ended_in_its_own_time(world, monkeypatch):
    monkeypatch.setattr(reading_on, "READ_ON_SECONDS", 0.6)
    world.drupal.fault = Fault(kind=Kind.RESET, at=Endpoint.LOGIN)
    gate = world.drupal.gate = Gate(after_birth=True)
    async with world.open_gateway(drupal={"timeout_seconds": 0.2}) as frontend:
        asking = asyncio.create_task(frontend.authenticate())
        await gate.reached()
        assert (await asking).code == "drupal_timeout"
        world.drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGOUT, seconds=0.15)
        await asyncio.sleep(0.45)
        gate.release()

        await all_ended(world)


class TestGoingDown:
    """Logins that are read on while the process goes down; its store dies with it."""

    SHORT: ClassVar = {"shutdown_seconds": 0.5, "drupal": {"timeout_seconds": 0.2}}

    async def test_whose_cookie_had_come_are_ended(self, world, events):
        world.drupal.fault = Fault(kind=Kind.STALL, at=Endpoint.LOGIN)
        async with world.open_gateway(**self.SHORT) as frontend:
            assert (await frontend.authenticate()).code == "drupal_timeout"

        assert not world.drupal.ledger.alive()
        assert not orphans(events)

    async def test_whose_cookie_comes_too_late_are_orphans_and_said_to_be(self, world, events):
        world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.LOGIN)
        async with world.open_gateway(**self.SHORT) as frontend:
            assert (await frontend.authenticate()).code == "drupal_timeout"

        assert len(world.drupal.ledger.alive()) == 1
        assert [event["reason"] for event in orphans(events)] == ["shutdown"]

    async def test_whose_client_has_left_are_given_up_in_time_to_end_them(self, world, events):
        world.drupal.fault = Fault(kind=Kind.STALL, at=Endpoint.LOGIN)
        async with world.open_gateway(**self.SHORT | {"drupal": {"timeout_seconds": 60}}), line(world.url) as open_line:
            await open_line.send(request("authenticate", ALICE))
            await world.eventually(world.drupal.ledger.alive)
            await asyncio.sleep(0.1)
            open_line.reset()

        assert not world.drupal.ledger.alive()
        assert not orphans(events)

    async def test_that_drupal_does_not_end_in_time_are_orphans_and_said_to_be(self, world, events):
        world.drupal.fault = Fault(kind=Kind.STALL, at=Endpoint.LOGIN)
        async with world.open_gateway(**self.SHORT | {"drupal": {"timeout_seconds": 10}}) as frontend:
            asking = asyncio.create_task(frontend.authenticate())
            await world.eventually(world.drupal.ledger.alive)
            world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.LOGOUT)
            await asyncio.sleep(0.1)
            await leave(asking)

        assert len(world.drupal.ledger.alive()) == 1
        assert [(event["reason"], event["count"]) for event in orphans(events)] == [("shutdown", 1)]

    async def test_many_of_which_a_slow_drupal_ends_some_are_counted_to_the_last(self, world, events):
        async with world.open_gateway(
            shutdown_seconds=0.5, drupal={"max_concurrent": 4, "timeout_seconds": 15}
        ) as frontend:
            for number in range(12):
                await frontend.authenticate(["alice", "bob", "dave", "admin"][number % 4])
            world.drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGOUT, seconds=1.2)
            began = asyncio.get_running_loop().time()

        assert asyncio.get_running_loop().time() - began < 8
        alive = len(world.drupal.ledger.alive())
        assert 0 < alive < 12
        [said] = orphans(events)
        # Whether the last ones were still ended is known to Drupal alone.
        assert alive <= said["count"] <= alive + 4


async def leave(asking):
    asking.cancel()
    await asyncio.wait([asking])


def orphans(events):
    return [event for event in events if event["event"] == "drupal.orphan"]
