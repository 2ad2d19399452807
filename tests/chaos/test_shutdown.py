"""SIGTERM: not ready at once, what is in flight ends well, nothing is left behind, exit 0 in time (promise 14)."""

import asyncio
import contextlib
import os
import signal
import time

import aiohttp
import pytest

from gateway.demo.drupal.faults import Endpoint, Fault, Gate, Kind
from gateway.demo.drupal.ledger import Ending
from tests.chaos.accounts import code_for, codes_for, crowd
from tests.chaos.forms import form
from tests.chaos.peers import Request, opening, typing

pytestmark = pytest.mark.chaos

user = crowd(0)


def terminate(process) -> None:
    # Not send_signal: it reaps a process that has just ended, and asyncio then knows no exit status.
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.process.pid, signal.SIGTERM)


async def exit_status(process, *, within: float) -> int:
    return await asyncio.wait_for(process.process.wait(), within)


async def readiness(process) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(f"{process.admin_url}/readyz") as response:
        return response.status, (await response.json())["status"]


async def test_readiness_goes_first_requests_in_flight_finish_and_a_second_signal_changes_nothing(world, start):
    [process] = await start({"shutdown_seconds": 10})
    assert await readiness(process) == (200, "ok")
    gate = world.drupal.gate = Gate(after_birth=True)
    request = await Request(process.url, "authenticate", opening(user.name, user.password)).open()
    await request.send()
    await gate.reached()

    terminate(process)
    await asyncio.sleep(0.1)
    terminate(process)

    assert await readiness(process) == (503, "stopping")
    with pytest.raises(OSError):
        await Request(process.url, "authenticate", {}).open()
    gate.release()
    answer = await request.answer()
    assert answer.status == 200
    terminate(process)
    assert await exit_status(process, within=5) == 0
    assert len(codes_for(world, user)) in (0, 1)


async def test_while_it_drains_it_is_not_ready_and_still_answers_who_comes(world, start):
    [process] = await start({"drain_seconds": 2})
    began = time.monotonic()
    terminate(process)
    await asyncio.sleep(0.2)

    assert await readiness(process) == (503, "stopping")
    frontend = world.visit(process.url)
    assert (await frontend.authenticate(user.name, user.password)).status == 200
    await asyncio.sleep(1)
    assert (await frontend.authenticate("bob")).status == 200
    assert await exit_status(process, within=10) == 0
    assert 2 < time.monotonic() - began < 6
    with pytest.raises(OSError):
        await Request(process.url, "authenticate", {}).open()


async def test_a_second_signal_ends_the_draining(world, start):
    [process] = await start({"drain_seconds": 60})
    terminate(process)
    await asyncio.sleep(0.3)
    assert process.process.returncode is None

    terminate(process)

    assert await exit_status(process, within=5) == 0


async def test_the_time_for_draining_is_none_of_the_time_for_requests_in_flight(world, start):
    [process] = await start({"drain_seconds": 2, "shutdown_seconds": 2})
    gate = world.drupal.gate = Gate(after_birth=True)
    request = await Request(process.url, "authenticate", opening(user.name, user.password)).open()
    await request.send()
    await gate.reached()

    terminate(process)
    await asyncio.sleep(3)
    gate.release()

    assert (await request.answer()).status == 200
    assert await exit_status(process, within=5) == 0


async def test_signals_at_any_moment_of_going_down_are_harmless(world, start):
    for _ in range(form(short=1, long=10)):
        [process] = await start({})
        # As many as fit in: also while the interpreter goes down.
        while process.process.returncode is None:
            terminate(process)
            await asyncio.sleep(0.01)

        assert process.process.returncode == 0


async def test_a_mail_on_its_way_is_finished(world, start):
    [process] = await start({})
    with world.mailbox.held("TEXT"):
        await world.visit(process.url).authenticate(user.name, user.password)
        await world.mailbox.reached("TEXT")
        terminate(process)
        await asyncio.sleep(0.3)
        assert process.process.returncode is None

    assert await exit_status(process, within=5) == 0
    assert len(codes_for(world, user)) == 1


async def test_a_mail_that_can_not_be_finished_in_time_is_given_back_to_another_process(world, start):
    [process] = await start({"courier": {"grace_seconds": 0.5}})
    with world.mailbox.held("DATA"):
        opened = await world.visit(process.url).authenticate(user.name, user.password)
        await world.mailbox.reached("DATA")
        terminate(process)
        assert await exit_status(process, within=5) == 0
    assert not world.mailbox.mails

    [other] = await start({})

    assert (await world.visit(other.url).login(opened, await code_for(world, user))).status == 200
    assert len(codes_for(world, user)) == 1


async def test_a_client_that_waits_for_a_drupal_that_never_answers_holds_nobody_up_for_longer_than_the_grace(
    world, start
):
    [process] = await start({"shutdown_seconds": 4, "drupal": {"timeout_seconds": 60}})
    world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.LOGIN)
    request = await Request(process.url, "authenticate", opening(user.name, user.password)).open()
    await request.send()
    await world.eventually(lambda: world.drupal.login_calls)

    began = time.monotonic()
    terminate(process)

    assert await exit_status(process, within=30) == 0
    # aiohttp would wait twice.
    assert 3.9 < time.monotonic() - began < 6.5
    request.leave()


class TestMemory:
    """A store that dies with its process."""

    @pytest.fixture
    def store(self):
        return {"kind": "memory"}

    async def test_it_logs_out_everything_it_has_parked(self, world, start):
        [process] = await start({})
        frontend = world.visit(process.url)
        users = [crowd(number) for number in range(20)]
        opened = await asyncio.gather(*(frontend.authenticate(each.name, each.password) for each in users))
        handed = await frontend.login(opened[0], await code_for(world, users[0]))
        assert handed.status == 200
        assert len(world.drupal.ledger.alive()) == 20

        terminate(process)

        assert await exit_status(process, within=10) == 0
        assert [session.uid for session in world.drupal.ledger.alive()] == [users[0].uid]
        assert len(world.drupal.ledger.ended(Ending.LOGGED_OUT)) == 19

    async def test_it_logs_out_what_it_could_not_hand_over_too(self, world, start):
        """Marked as being handed over, it would be left alone for a minute: longer than the store lives."""
        [process] = await start({})
        frontend = world.visit(process.url)
        for number in range(10):
            each = crowd(number)
            opened = await frontend.authenticate(each.name, each.password)
            request = await Request(process.url, "login", typing(opened, await code_for(world, each))).open()
            # Stopped, so that the end of the stream is there before any answer can be.
            process.process.send_signal(signal.SIGSTOP)
            await request.send()
            assert not request.leave()
            process.process.send_signal(signal.SIGCONT)
        await world.eventually(lambda: len(process.events("login.client_gone")) == 10)

        terminate(process)

        assert await exit_status(process, within=10) == 0
        assert not world.drupal.ledger.alive()

    async def test_it_goes_down_in_time_when_drupal_does_not_answer(self, world, start):
        [process] = await start({"drupal": {"timeout_seconds": 1}, "shutdown_seconds": 2})
        frontend = world.visit(process.url)
        for number in range(20):
            each = crowd(number)
            await frontend.authenticate(each.name, each.password)
        world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.LOGOUT)

        terminate(process)

        assert await exit_status(process, within=10) == 0
