"""What a helpdesk does from the command line, while a gateway serves: the account is asked by mail again."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

import gateway
from gateway.cli.main import app
from gateway.settings import Settings
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
    refused = "Account 2 has no app and no remembered devices."
    assert await headgate("reset-factors", "2") == (1, refused)


async def test_a_remembered_device_is_asked_by_mail_after_forget_devices(world, frontend, headgate):
    device = await remembered(world, frontend)

    assert await headgate("forget-devices", "3") == (1, "Account 3 has no remembered devices.")
    status, written = await headgate("forget-devices", "2")

    assert (status, "Forgotten devices of account 2: 1." in written) == (0, True)

    assert await logs_in_by_mail(world, frontend, rememberToken=device)


async def test_forgetting_devices_leaves_the_app(world, frontend, headgate):
    await enrol(world, frontend)
    device = await remembered(world, frontend)

    await headgate("forget-devices", "2")

    assert (await frontend.authenticate(rememberToken=device))["authType"] == APP


WRONG = ["unlock", "reset-factors", "forget-devices", "account"]


@pytest.mark.parametrize("command", WRONG)
async def test_what_is_no_account_is_refused(frontend, headgate, command):
    for nobody in ("nobody", "0"):
        status, written = await headgate(command, nobody)

        assert (status, "the gateway does not know this name" in written) == (1, True)


async def test_an_account_without_wrong_codes_is_not_called_unlocked(frontend, headgate):
    assert await headgate("unlock", "3") == (1, "Account 3 has no wrong codes, so there is nothing to unlock.")


async def test_an_account_is_unlocked_by_its_name_however_it_is_spelled(frontend, headgate):
    opened = await frontend.authenticate()
    await frontend.login(opened, "no code")

    status, written = await headgate("unlock", "ALICE")

    assert (status, "Account 2 is unlocked." in written) == (0, True)
    assert '"event": "account.unlocked"' in written
    assert "alice" not in written.lower()
    assert (await headgate("unlock", "alice"))[0] == 1


async def test_two_accounts_with_one_name_are_told_apart_by_their_uids(world, frontend, headgate):
    settings = Settings.model_validate(world.configuration())
    async with settings.store.open(settings.sealer()) as backend:
        for uid in ("2", "7"):
            await backend.names.keep("alice", uid, seconds=60)

    status, written = await headgate("unlock", "alice")

    assert (status, "Several accounts have this name or a similar one: 2, 7." in written) == (1, True)


async def test_the_name_of_a_remembered_device_is_known(world, frontend, headgate):
    await remembered(world, frontend)

    assert (await headgate("forget-devices", "alice"))[0] == 0


async def test_the_state_of_an_account_is_shown_without_its_secrets(world, frontend, headgate):
    alice = await enrol(world, frontend)
    device = await remembered(world, frontend)
    opened = await frontend.authenticate(authType="EMAIL")
    for _ in range(4):
        await frontend.login(opened, "no code")

    status, shown = await headgate("account", "alice")
    state = json.loads((await headgate("account", "2", "--json"))[1])

    assert status == 0
    assert "Authenticator app" in shown
    assert state["uid"] == "2"
    assert (state["app"], state["recovery_codes_left"], state["open_logins"]) == (True, 10, 1)
    assert [one["client"] for one in state["devices"]] == ["web"]
    # This network is known: alice has logged in from it.
    other, known = state["wrong_codes"]
    assert (known["networks"], known["in_30_days"], known["lock"]) == ("known", 4, None)
    assert (other["networks"], other["in_30_days"]) == ("other", 0)
    for secret in (alice.secret, alice.token, *alice.codes, device, opened["transactionID"]):
        assert secret not in shown + str(state)


async def test_a_lock_is_shown_with_its_end(frontend, headgate):
    for _ in range(2):
        opened = await frontend.authenticate()
        for _ in range(5):
            await frontend.login(opened, "no code")

    state = json.loads((await headgate("account", "alice", "--json"))[1])
    lock = state["wrong_codes"][0]

    assert (lock["lock"], lock["since_success"]) == ("lock.soft", 10)
    assert datetime.fromisoformat(lock["locked_until"]) > datetime.now(UTC)


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
