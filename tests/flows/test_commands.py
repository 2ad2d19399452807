"""What a helpdesk does from the command line, while a gateway serves: the account is asked by mail again."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

import gateway
from gateway.cli.main import app
from tests.flows.apps import APP, ON, RECOVERY, ask, enrol, mailed_code, mailed_codes
from tests.world import a_world


@pytest.fixture
def store(redis_server):
    """A command is a process of its own, so it can't reach the memory store."""
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
    """Log in with a mailed code and have the device remembered; return the token that replaces the code."""
    before = len(mailed_codes(world))
    opened = await frontend.authenticate(authType="EMAIL")
    granted = await frontend.login(opened, await mailed_code(world, before + 1), remember=True)
    exempt = await frontend.authenticate(rememberToken=granted["rememberToken"])
    assert exempt["authType"] == "NONE"
    return exempt["rememberToken"]


async def logs_in_by_mail(world, frontend, **more):
    """Whether alice is asked for a code by mail, and gets in with it."""
    before = len(mailed_codes(world))
    opened = await frontend.authenticate(**more)
    if opened["authType"] != "EMAIL":
        return False
    return (await frontend.login(opened, await mailed_code(world, before + 1))).status == 200


async def test_a_user_who_lost_the_phone_is_asked_by_mail_after_reset_factors(world, frontend, headgate):
    alice = await enrol(world, frontend)
    device = await remembered(world, frontend)
    assert (await frontend.authenticate())["methods"] == [APP, "EMAIL", RECOVERY]

    status, written = await headgate("reset-factors", "2")

    assert (status, "The app of account 2 is removed." in written) == (0, True)
    assert await logs_in_by_mail(world, frontend, rememberToken=device)
    assert (await frontend.authenticate())["methods"] == ["EMAIL"]
    assert (await ask(frontend, "totp/enroll", alice.token)).code == "transaction_closed"
    assert "Account 2 had no app." in (await headgate("reset-factors", "2"))[1]


async def test_a_remembered_device_is_asked_by_mail_after_forget_devices(world, frontend, headgate):
    device = await remembered(world, frontend)

    assert await headgate("forget-devices", "3") == (0, "Forgotten devices of account 3: 0.")
    assert await headgate("forget-devices", "2") == (0, "Forgotten devices of account 2: 1.")

    assert await logs_in_by_mail(world, frontend, rememberToken=device)


async def test_forgetting_devices_leaves_the_app(world, frontend, headgate):
    await enrol(world, frontend)
    device = await remembered(world, frontend)

    await headgate("forget-devices", "2")

    assert (await frontend.authenticate(rememberToken=device))["authType"] == APP


def test_no_command_can_reach_the_memory_store(monkeypatch):
    monkeypatch.delenv("HEADGATE_CONFIG", raising=False)

    done = CliRunner().invoke(app, ["unlock", "2"], env={"HEADGATE_API_KEY": "made"})

    assert done.exit_code == 1
    assert "The memory store is inside the serving process." in done.output


def test_the_version_is_printed_without_loading_the_libraries_of_the_gateway():
    work = (
        "import sys; sys.argv = ['headgate', 'version']; from gateway.cli.main import main\n"
        "try: main()\n"
        "finally: print(*{'aiohttp', 'redis', 'structlog', 'cryptography', 'jinja2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [gateway.__version__]
