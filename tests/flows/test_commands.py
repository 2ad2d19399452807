"""What a helpdesk does from the command line, while a gateway serves: the account is asked by mail again."""

import pytest

from tests.flows.apps import APP, ON, RECOVERY, ask, enrol, mailed_code, mailed_codes
from tests.world import a_world


@pytest.fixture
def store(redis_server):
    """A command is a process of its own, and finds nothing in the memory of another."""
    return {"kind": "redis", "url": redis_server.url}


@pytest.fixture
async def world(store, drupal_options):
    policy = {"policy": {"remember": {"days": 30, "devices": 3}}}
    async with a_world(store=store, drupal=drupal_options, **ON, **policy) as made:
        yield made


@pytest.fixture
async def frontend(world, headgate):
    assert await headgate("init-store") == (0, "The store is marked.")
    async with world.open_gateway() as made:
        yield made


async def remembered(world, frontend):
    """Log in with a mailed code and ask for the device to be remembered; return its token, which spares the code."""
    before = len(mailed_codes(world))
    opened = await frontend.authenticate(authType="EMAIL")
    won = await frontend.login(opened, await mailed_code(world, before + 1), remember=True)
    spared = await frontend.authenticate(rememberToken=won["rememberToken"])
    assert spared["authType"] == "NONE"
    return spared["rememberToken"]


async def logs_in_by_mail(world, frontend, **more):
    """Whether alice is asked for a code by mail, and gets in with it."""
    before = len(mailed_codes(world))
    opened = await frontend.authenticate(**more)
    if opened["authType"] != "EMAIL":
        return False
    return (await frontend.login(opened, await mailed_code(world, before + 1))).status == 200


async def test_who_lost_the_phone_is_asked_by_mail_after_reset_factors(world, frontend, headgate):
    alice = await enrol(world, frontend)
    device = await remembered(world, frontend)
    assert (await frontend.authenticate())["methods"] == [APP, "EMAIL", RECOVERY]

    status, written = await headgate("reset-factors", "2")

    assert (status, "Account 2 has no app any more." in written) == (0, True)
    assert await logs_in_by_mail(world, frontend, rememberToken=device)
    assert (await frontend.authenticate())["methods"] == ["EMAIL"]
    assert (await ask(frontend, "totp/enroll", alice.token)).code == "transaction_closed"
    assert "Account 2 had none." in (await headgate("reset-factors", "2"))[1]


async def test_a_remembered_device_is_asked_by_mail_after_forget_devices(world, frontend, headgate):
    device = await remembered(world, frontend)

    assert await headgate("forget-devices", "3") == (0, "Devices of account 3 that are forgotten: 0.")
    assert await headgate("forget-devices", "2") == (0, "Devices of account 2 that are forgotten: 1.")

    assert await logs_in_by_mail(world, frontend, rememberToken=device)


async def test_forgetting_devices_leaves_the_app(world, frontend, headgate):
    await enrol(world, frontend)
    device = await remembered(world, frontend)

    await headgate("forget-devices", "2")

    assert (await frontend.authenticate(rememberToken=device))["authType"] == APP
