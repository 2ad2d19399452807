"""After the answer's last byte: what is left to do holds up neither its connection nor the process."""

import asyncio
import time

import pytest

from tests.chaos.accounts import code_for, crowd
from tests.chaos.peers import REMOVE, Tap
from tests.chaos.test_shutdown import exit_status, terminate
from tests.redis_server import RedisServer
from tests.wire import line, request
from tests.world import KEY, pending

pytestmark = pytest.mark.chaos

user = crowd(0)


@pytest.fixture
def redis():
    """One of its own, which may be stopped."""
    with RedisServer() as server:
        yield server


@pytest.fixture
async def tap(redis):
    async with Tap.open(redis) as made:
        yield made


@pytest.fixture
def store(tap):
    return {"kind": "redis", "url": tap.url, "claim_seconds": 1}


def code_in_bytes(opened, otp):
    return request("login", pending(opened) | {"authType": opened["authType"], "otp": otp, "apiKey": KEY})


@pytest.mark.alone
async def test_a_connection_is_free_for_its_next_request_though_the_store_can_not_note_the_last(world, tap, redis):
    async with world.open_gateway() as frontend, line(world.url) as open_line:
        opened = await frontend.authenticate(user.name, user.password)
        otp = await code_for(world, user)
        tap.on(REMOVE, redis.pause)
        await open_line.send(code_in_bytes(opened, otp))
        assert (await open_line.reply()).status == 200

        began = time.monotonic()
        await open_line.send(request("status", {}))
        assert (await open_line.reply()).code == "malformed"
        assert time.monotonic() - began < 0.5

        redis.resume()
        await asyncio.sleep(2.5)
        world.clock.ahead = 3 * 86_400
        await asyncio.sleep(1.5)
        assert len(world.drupal.ledger.alive()) == 1


async def test_what_the_store_could_not_be_told_in_time_is_said_and_the_process_ends(world, tap, redis, start):
    [process] = await start({"shutdown_seconds": 2})
    frontend = world.visit(process.url)
    opened = await frontend.authenticate(user.name, user.password)
    otp = await code_for(world, user)
    tap.on(REMOVE, redis.stop)
    assert (await frontend.login(opened, otp)).status == 200
    await asyncio.sleep(0.2)

    began = time.monotonic()
    terminate(process)

    assert await exit_status(process, within=20) == 0
    assert time.monotonic() - began < 4
    assert [event["uid"] for event in process.events("login.not_removed")] == [str(user.uid)]
    assert not process.events("login.client_gone")
    assert world.drupal.ledger.alive()
