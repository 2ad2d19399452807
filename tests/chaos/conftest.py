import asyncio
from contextlib import AsyncExitStack

import pytest

from gateway.demo.accounts import example_users
from gateway.demo.site import DrupalOptions
from tests.chaos.accounts import crowd
from tests.chaos.peers import Tap
from tests.world import a_world, start_gateway

# Accounts for whoever needs many: visitor0, visitor1, …
CROWD = 400


@pytest.fixture
def drupal_options():
    return DrupalOptions(
        reverse_proxy_addresses=("127.0.0.1",), users=(*example_users(), *(crowd(number) for number in range(CROWD)))
    )


@pytest.fixture
def store(redis_server):
    """One Redis for all; a courier is taken for dead after a second."""
    return {"kind": "redis", "url": redis_server.url, "claim_seconds": 1}


@pytest.fixture
async def world(store, drupal_options):
    async with a_world(store=store, drupal=drupal_options) as made:
        yield made


@pytest.fixture
async def tap(redis_server):
    async with Tap.open(redis_server) as opened:
        yield opened


@pytest.fixture
async def start(world, tmp_path):
    """Start processes side by side: one for each of the given changes to the configuration."""
    async with AsyncExitStack() as stack:

        async def starting(*changes):
            return await asyncio.gather(
                *(stack.enter_async_context(start_gateway(world, tmp_path, **each)) for each in changes)
            )

        yield starting
