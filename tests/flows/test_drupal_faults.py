"""Drupal going wrong in every way that was measured: never a login, never a second try, never a session left behind."""

import asyncio
import time

import pytest

from gateway.demo.drupal.faults import Endpoint, Fault, Gate, Kind
from gateway.demo.drupal.server import SimulatedDrupal, running
from tests.flows.steps import all_ended
from tests.ports import free_port


@pytest.mark.parametrize("kind", [Kind.SERVER_ERROR, Kind.BAD_GATEWAY, Kind.GATEWAY_TIMEOUT, Kind.HTML, Kind.ENDLESS])
async def test_an_answer_that_is_none_is_502_at_once(world, frontend, kind):
    world.drupal.fault = Fault(kind=kind, at=Endpoint.LOGIN)
    began = time.monotonic()

    answer = await frontend.authenticate()

    assert (answer.status, answer.code) == (502, "drupal_invalid")
    assert time.monotonic() - began < 3
    assert len(world.drupal.called("/user/login")) == 1
    assert not world.mailbox.mails


async def test_a_redirect_is_502_and_its_target_sees_nothing(world, frontend):
    target = SimulatedDrupal()
    async with running(target) as target_url:
        location = f"{target_url}/user/login?_format=json"
        world.drupal.fault = Fault(kind=Kind.REDIRECT, at=Endpoint.LOGIN, location=location)

        answer = await frontend.authenticate()

    assert (answer.status, answer.code) == (502, "drupal_invalid")
    assert not target.calls


async def test_nobody_listening_is_503_with_the_time_to_wait(world):
    async with world.open_gateway(drupal={"url": f"http://127.0.0.1:{free_port()}"}) as frontend:
        answer = await frontend.authenticate()

    assert (answer.status, answer.code) == (503, "drupal_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


async def test_a_connection_that_drops_is_503_and_the_login_is_not_sent_again(world, frontend):
    world.drupal.fault = Fault(kind=Kind.DROP, at=Endpoint.LOGIN)

    answer = await frontend.authenticate()

    assert (answer.status, answer.code) == (503, "drupal_unavailable")
    assert world.drupal.login_calls == 1


async def test_a_kept_connection_that_has_died_is_503_and_the_login_is_not_sent_again(world, frontend):
    await frontend.authenticate()
    world.drupal.fault = Fault(kind=Kind.DROP, at=Endpoint.LOGIN)
    calls = world.drupal.login_calls

    answer = await frontend.authenticate("bob")

    assert answer.code == "drupal_unavailable"
    assert world.drupal.login_calls == calls + 1


async def test_an_answer_that_breaks_off_leaves_no_session(world, frontend):
    world.drupal.fault = Fault(kind=Kind.RESET, at=Endpoint.LOGIN)

    answer = await frontend.authenticate()

    assert answer.status in (502, 503)
    await all_ended(world)


async def test_an_answer_that_comes_too_late_is_504_and_its_session_ends(world):
    world.drupal.gate = Gate(after_birth=True)
    async with world.open_gateway(drupal={"timeout_seconds": 0.3}) as frontend:
        began = time.monotonic()
        answer = await frontend.authenticate()
        took = time.monotonic() - began
        assert len(world.drupal.ledger.alive()) == 1
        world.drupal.gate.release()
        await all_ended(world)

    assert (answer.status, answer.code) == (504, "drupal_timeout")
    assert took < 1.5
    assert world.drupal.login_calls == 1


async def test_an_answer_that_never_comes_is_504_and_others_are_served(world):
    world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.LOGIN)
    async with world.open_gateway(drupal={"timeout_seconds": 0.5}) as frontend:
        hanging = asyncio.create_task(frontend.authenticate())
        await world.eventually(lambda: world.drupal.login_calls)
        world.drupal.fault = None
        other = await frontend.authenticate("bob")
        answer = await hanging
        world.drupal.closing.set()

    assert other.status == 200
    assert (answer.status, answer.code) == (504, "drupal_timeout")


async def test_maintenance_is_503_with_the_time_to_wait(world, frontend):
    world.drupal.maintenance = True

    answer = await frontend.authenticate()

    assert (answer.status, answer.code) == (503, "drupal_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert not world.drupal.ledger.sessions


async def test_the_code_needs_no_drupal(world, frontend):
    opened = await frontend.authenticate()
    code = await world.code()
    world.drupal.fault = Fault(kind=Kind.DROP)
    calls = len(world.drupal.calls)

    answer = await frontend.login(opened, code)

    assert answer.status == 200
    assert len(world.drupal.calls) == calls


async def test_a_reaper_that_finds_drupal_down_comes_again(world, frontend):
    await frontend.authenticate()
    world.drupal.fault = Fault(kind=Kind.SERVER_ERROR, at=Endpoint.LOGOUT)
    world.clock.ahead = 301
    await world.eventually(lambda: world.drupal.called("/user/logout"))
    assert len(world.drupal.ledger.alive()) == 1

    world.drupal.fault = None
    world.clock.ahead += 120

    await all_ended(world)


async def test_no_proxy_of_the_environment_sees_a_password(world, monkeypatch):
    seen = []

    async def accept(reader, writer):
        seen.append(await reader.read(100))
        writer.close()

    proxy = await asyncio.start_server(accept, "127.0.0.1", 0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
    async with world.open_gateway() as frontend:
        answer = await frontend.authenticate()
    proxy.close()

    assert answer.status == 200
    assert not seen


async def test_no_event_holds_a_secret_whatever_goes_wrong(world, events):
    async with world.open_gateway(drupal={"timeout_seconds": 0.5}) as frontend:
        for kind in (Kind.SERVER_ERROR, Kind.RESET, Kind.DROP, Kind.HTML, Kind.ENDLESS):
            world.drupal.fault = Fault(kind=kind)
            await frontend.authenticate()
        world.drupal.fault = None
        await frontend.authenticate("alice", "a-wrong-password")
        opened = await frontend.authenticate()
        code = await world.code()
        answer = await frontend.login(opened, code)

    told = str(events)
    secrets = [
        code,
        "alice-pass-1",
        "a-wrong-password",
        "'alice'",
        "example.test",
        "+1555",
        frontend.key,
        opened["transactionID"],
    ]
    for session in world.drupal.ledger.sessions:
        secrets += [session.value, session.csrf_token, session.logout_token]
    assert answer.status == 200
    assert not [secret for secret in secrets if secret in told]


# What the events say of it


def outcome(events, name):
    [event] = [event for event in events if event["event"] == name]
    return event


async def test_an_outage_is_a_warning(world, events):
    async with world.open_gateway(drupal={"url": f"http://127.0.0.1:{free_port()}"}) as frontend:
        await frontend.authenticate()

    assert outcome(events, "authenticate.drupal_unavailable")["log_level"] == "warning"


async def test_the_event_says_how_long_drupal_took_and_how_long_the_request(world, frontend, events):
    world.drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGIN, seconds=0.2)

    await frontend.status(await frontend.authenticate())

    asked, not_asked = outcome(events, "authenticate.ok"), outcome(events, "status.ok")
    assert 200 <= asked["drupal_ms"] <= asked["took_ms"]
    assert not_asked["took_ms"] >= 0
    assert "drupal_ms" not in not_asked


async def test_an_answer_that_came_too_late_counts_until_it_was_given_up(world, events):
    world.drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGIN, seconds=0.6)
    async with world.open_gateway(drupal={"timeout_seconds": 0.3}) as frontend:
        await frontend.authenticate()
        gave_up = outcome(events, "authenticate.drupal_timeout")

    assert 290 <= gave_up["drupal_ms"] <= gave_up["took_ms"]
