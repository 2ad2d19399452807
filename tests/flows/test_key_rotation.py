"""Changing the seal key: nobody is asked to enrol again, and nobody is let in without what he has enrolled."""

import pytest

from tests.flows.apps import APP, ON, STEP, app_code, enrol
from tests.world import INDEX_KEY, SEAL_KEY, a_world

NEW_KEY = "new:" + INDEX_KEY


@pytest.fixture
def store(redis_server):
    return {"kind": "redis", "url": redis_server.url}


@pytest.fixture
async def world(store, drupal_options):
    async with a_world(store=store, drupal=drupal_options, **ON) as made:
        yield made


@pytest.fixture
async def alice(world, headgate):
    """She enrolled an app while the old key sealed."""
    assert (await headgate("init-store", keys=[SEAL_KEY]))[0] == 0
    async with world.open_gateway(keys=[SEAL_KEY]) as frontend:
        return await enrol(world, frontend)


async def test_after_resealing_the_old_key_can_be_taken_out(world, headgate, alice):
    assert await headgate("reseal", keys=[NEW_KEY, SEAL_KEY]) == (0, "Resealed enrolments: 1.")
    assert await headgate("reseal", keys=[NEW_KEY, SEAL_KEY]) == (0, "Resealed enrolments: 0.")

    async with world.open_gateway(keys=[NEW_KEY]) as frontend:
        opened = await frontend.authenticate()
        assert opened["authType"] == APP
        assert (await frontend.login(opened, app_code(alice.secret, world.clock() + STEP))).status == 200


async def test_it_can_be_done_while_a_gateway_serves(world, headgate, alice):
    async with world.open_gateway(keys=[NEW_KEY, SEAL_KEY]) as frontend:
        opened = await frontend.authenticate()
        assert (await headgate("reseal", keys=[NEW_KEY, SEAL_KEY]))[0] == 0
        assert (await frontend.login(opened, app_code(alice.secret, world.clock() + STEP))).status == 200


async def test_an_old_key_that_was_taken_out_too_early_lets_nobody_in_until_it_is_back(world, headgate, alice, events):
    async with world.open_gateway(keys=[NEW_KEY]) as frontend:
        assert (await frontend.authenticate()).code == "store_unavailable"
    assert [event["reason"] for event in events if event["event"] == "authenticate.store_unavailable"] == ["unsealable"]

    for command in ("init-store", "reseal"):
        status, written = await headgate(command, keys=[NEW_KEY])
        assert status == 1
        assert "a key was removed before `headgate reseal` was run" in written

    async with world.open_gateway(keys=[NEW_KEY, SEAL_KEY]) as frontend:
        opened = await frontend.authenticate()
        assert (await frontend.login(opened, app_code(alice.secret, world.clock() + STEP))).status == 200


async def test_what_no_key_opens_is_counted_and_the_rest_is_sealed_anew(world, headgate, alice, redis_server):
    redis_server.ask("SET headgate:enrolment:99 00000001garbage")

    status, written = await headgate("reseal", keys=[NEW_KEY, SEAL_KEY])

    assert status == 1
    assert "Resealed enrolments: 1." in written
    assert "none of `keys` opens: 1." in written
    async with world.open_gateway(keys=[NEW_KEY]) as frontend:
        assert (await frontend.authenticate())["authType"] == APP
