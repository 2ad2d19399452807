"""Nothing but reads is ever sent to Drupal a second time (promise 12), not even on a kept connection that has died."""

import asyncio
from collections import Counter

import pytest

from gateway.demo.drupal.faults import Endpoint, Fault, Kind
from tests.flows.steps import all_ended
from tests.world import cookie_pair


@pytest.fixture
def store():
    return {"kind": "memory"}


@pytest.mark.parametrize("kind", [Kind.DROP, Kind.RESET, Kind.SERVER_ERROR, Kind.BAD_GATEWAY])
async def test_a_login_is_sent_once(world, frontend, kind):
    await frontend.authenticate("bob")
    world.drupal.fault = Fault(kind=kind, at=Endpoint.LOGIN)
    calls = len(world.drupal.called("/user/login"))

    assert (await frontend.authenticate()).status in (502, 503)

    await asyncio.sleep(0.1)
    assert len(world.drupal.called("/user/login")) == calls + 1


@pytest.mark.parametrize("kind", [Kind.DROP, Kind.SERVER_ERROR])
async def test_a_logout_is_sent_once(world, frontend, kind):
    won = await frontend.login(await frontend.authenticate(), await world.code())
    world.drupal.fault = Fault(kind=kind, at=Endpoint.LOGOUT)

    gone = await frontend.logout(cookie_pair(won.cookies[0]), won["session"]["logout_token"])

    await asyncio.sleep(0.1)
    assert gone.status in (502, 503)
    assert len(world.drupal.called("/user/logout")) == 1


async def test_a_read_on_a_kept_connection_that_has_died_is_asked_again(world, frontend):
    await frontend.authenticate("bob")
    world.drupal.fault = Fault(kind=Kind.DROP, at=Endpoint.CONTACTS)
    before = len(world.drupal.calls)

    assert (await frontend.authenticate()).code == "drupal_unavailable"

    world.drupal.fault = None
    methods = Counter(call.method for call in world.drupal.calls[before:] if "logout" not in call.path)
    assert methods == {"POST": 1, "GET": 2}
    await frontend.cancel(await frontend.authenticate("bob"))
    world.clock.ahead = 301
    await all_ended(world)
