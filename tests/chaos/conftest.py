import asyncio
from contextlib import AsyncExitStack

import pytest

from gateway.demo.drupal.accounts import example_users
from gateway.demo.drupal.site import DrupalOptions
from tests.chaos.accounts import crowd
from tests.chaos.peers import Tap
from tests.world import a_world, start_gateway

# Accounts for whoever needs many: visitor0, visitor1, …
CROWD = 4000


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
    # One loopback address logs everybody in, over and over.
    flood = {name: {"most": 1_000_000, "seconds": 60} for name in ("mail", "codes", "everywhere")}
    async with a_world(store=store, drupal=drupal_options, flood=flood) as made:
        yield made


@pytest.fixture
async def taps(redis_server):
    """Three ways to Redis."""
    async with Tap.open(redis_server) as one, Tap.open(redis_server) as two, Tap.open(redis_server) as three:
        yield one, two, three


@pytest.fixture
def tap(taps):
    return taps[0]


@pytest.fixture
async def start(world, tmp_path):
    """Start processes side by side: one for each of the given changes to the configuration."""
    async with AsyncExitStack() as stack:

        async def starting(*changes):
            return await asyncio.gather(
                *(stack.enter_async_context(start_gateway(world, tmp_path, **each)) for each in changes)
            )

        yield starting
