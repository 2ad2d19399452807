"""Reading the mailbox is not enough to replace an authenticator: that needs the app, a recovery code, or a login by one."""

import pytest

from tests.flows.apps import APP, ON, RECOVERY, STEP, app_code, ask, by_mail, early_in_a_step, enrol, mark, methods
from tests.world import a_world

REMEMBER = {"policy": {"remember": {"days": 30}}}


@pytest.fixture
async def world(store, drupal_options):
    async with a_world(store=store, drupal=drupal_options, **ON) as made:
        await mark(made)
        yield made


async def proposed(frontend, token):
    answer = await ask(frontend, "totp/enroll", token)
    assert answer.status == 200, answer.body
    return answer["secret"]


async def remembered(frontend, opened, code):
    return (await frontend.login(opened, code, remember=True))["rememberToken"]


async def needs_no_code(frontend, token):
    return (await frontend.authenticate(rememberToken=token))["authType"] == "NONE"


async def test_a_login_by_mail_replaces_no_app_and_makes_no_recovery_codes(world, frontend, events):
    alice = await enrol(world, frontend)
    token = (await by_mail(world, frontend))["manageToken"]
    secret = await proposed(frontend, token)

    confirmed = await ask(frontend, "totp/confirm", token, otp=app_code(secret, world.clock()))
    renewed = await ask(frontend, "recovery-codes", token)

    assert [(answer.status, answer.code) for answer in (confirmed, renewed)] == [(403, "not_enrolled")] * 2
    assert {event.get("reason") for event in events if event["event"].endswith(".not_enrolled")} == {"current_otp"}
    assert (await frontend.login(await frontend.authenticate(), app_code(alice.secret, world.clock()))).status == 200


async def test_a_login_by_mail_before_the_app_was_added_replaces_it_no_more_than_one_after(world, frontend):
    early = (await by_mail(world, frontend))["manageToken"]
    await enrol(world, frontend)
    secret = await proposed(frontend, early)

    assert (await ask(frontend, "totp/confirm", early, otp=app_code(secret, world.clock()))).code == "not_enrolled"


@pytest.mark.parametrize("way", [APP, RECOVERY])
async def test_with_a_code_of_the_old_app_or_a_recovery_code_it_does(world, frontend, way):
    alice = await enrol(world, frontend)
    token = (await by_mail(world, frontend))["manageToken"]
    secret = await proposed(frontend, token)
    await early_in_a_step()
    current = app_code(alice.secret, world.clock()) if way == APP else alice.codes[0]

    confirmed = await ask(
        frontend, "totp/confirm", token, otp=app_code(secret, world.clock() - STEP), currentOtp=current
    )

    assert confirmed.status == 200, confirmed.body
    assert (await frontend.login(await frontend.authenticate(), app_code(secret, world.clock()))).status == 200


@pytest.mark.parametrize("way", [APP, RECOVERY])
async def test_a_login_by_app_or_recovery_code_needs_no_other_proof(world, frontend, way):
    alice = await enrol(world, frontend)
    code = app_code(alice.secret, world.clock()) if way == APP else alice.codes[0]
    token = (await frontend.login(await frontend.authenticate(authType=way), code))["manageToken"]
    secret = await proposed(frontend, token)
    await early_in_a_step()

    assert (await ask(frontend, "recovery-codes", token)).status == 200
    assert (await ask(frontend, "totp/confirm", token, otp=app_code(secret, world.clock()))).status == 200


async def test_new_recovery_codes_for_a_login_by_mail_need_the_app(world, frontend):
    alice = await enrol(world, frontend)
    token = (await by_mail(world, frontend))["manageToken"]

    renewed = await ask(frontend, "recovery-codes", token, currentOtp=app_code(alice.secret, world.clock()))

    assert renewed.status == 200
    assert len(renewed["recoveryCodes"]) == 10


async def test_wrong_codes_of_the_old_app_are_guesses_and_counted_as_such(world, frontend):
    await enrol(world, frontend)
    token = (await by_mail(world, frontend))["manageToken"]
    answers = [await ask(frontend, "recovery-codes", token, currentOtp="000 000 0") for _ in range(11)]

    assert [answer.code for answer in answers] == ["wrong_otp"] * 10 + ["account_locked"]
    assert [answer["attemptsLeft"] for answer in answers[:10]] == list(range(9, -1, -1))


async def test_a_mistyped_code_of_the_new_app_uses_up_no_recovery_code(world, frontend):
    alice = await enrol(world, frontend)
    token = (await by_mail(world, frontend))["manageToken"]
    secret = await proposed(frontend, token)
    await early_in_a_step()

    mistyped = await ask(frontend, "totp/confirm", token, otp="000 000 0", currentOtp=alice.codes[0])
    again = await ask(frontend, "totp/confirm", token, otp=app_code(secret, world.clock()), currentOtp=alice.codes[0])

    assert (mistyped.code, again.status) == ("wrong_otp", 200)


async def test_the_token_of_a_confirmation_is_worth_the_new_app(world, frontend):
    """A user who has just added an app need not log in again to have other recovery codes."""
    alice = await enrol(world, frontend)

    assert (await ask(frontend, "recovery-codes", alice.token)).status == 200


async def test_a_removed_app_takes_the_remembered_devices_along(world):
    async with world.open_gateway(**REMEMBER) as frontend:
        alice = await enrol(world, frontend)
        opened = await frontend.authenticate()
        device = await remembered(frontend, opened, app_code(alice.secret, world.clock()))
        assert (await ask(frontend, "totp/remove", alice.token, otp=alice.codes[0])).status == 200

        assert not await needs_no_code(frontend, device)
        assert APP not in await methods(world, frontend)


async def test_a_confirmed_app_takes_along_the_devices_that_were_remembered_without_it(world):
    async with world.open_gateway(**REMEMBER) as frontend:
        opened = await frontend.authenticate()
        device = await remembered(frontend, opened, await world.code(1))
        await enrol(world, frontend)

        assert not await needs_no_code(frontend, device)
