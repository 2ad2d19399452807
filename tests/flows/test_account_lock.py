"""Wrong codes of one account: after ten it waits, after a hundred somebody has to unlock it."""

import math

import pytest

from gateway.cli.accounts import clear_locks
from gateway.settings import Settings
from tests.flows.steps import alike, all_ended, closed_one
from tests.world import code_in


async def fail(frontend, times, username="alice"):
    """Type wrong codes, over as many transactions as it takes."""
    while times:
        opened = await frontend.authenticate(username)
        assert opened.status == 200, opened.body
        for _ in range(min(times, 5)):
            answer = await frontend.login(opened, "no code")
            assert answer.code == "wrong_otp"
            times -= 1


async def locked_mails(world):
    await world.eventually(lambda: any("code" not in mail.parsed["Subject"].lower() for mail in world.mailbox.mails))
    return [mail for mail in world.mailbox.mails if mail.recipients == ("alice@example.test",) and not has_code(mail)]


def has_code(mail):
    try:
        return bool(code_in(mail))
    except AssertionError:
        return False


async def test_after_ten_wrong_codes_over_several_logins_the_account_waits(world, frontend):
    spare = await frontend.authenticate()
    code = await world.code()
    await fail(frontend, 10)

    refused = await frontend.authenticate()

    assert (refused.status, refused.code) == (429, "account_locked")
    assert 28 <= int(refused.headers["Retry-After"]) <= 30
    assert refused.body.keys() == {"username", "status", "message", "code"}
    # Even the right code of a login that is still open, and it reads as a closed one.
    assert alike(await frontend.login(spare, code)) == alike(await closed_one(frontend))


async def test_the_mail_about_it_says_from_which_browser_the_codes_were_typed(world, frontend):
    frontend.headers["User-Agent"] = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
    await fail(frontend, 10)

    [mail] = await locked_mails(world)
    assert "Browser: Firefox, Windows" in mail.plain


async def test_nine_wrong_codes_lock_nothing(frontend):
    await fail(frontend, 9)

    assert (await frontend.authenticate()).status == 200


async def test_that_it_is_locked_is_said_only_after_a_right_password(frontend):
    wrong_before = await frontend.authenticate("alice", "nope")
    await fail(frontend, 10)

    assert alike(await frontend.authenticate("alice", "nope")) == alike(wrong_before)


async def test_a_session_that_drupal_opened_for_a_locked_account_ends(world, frontend):
    await fail(frontend, 10)
    await all_ended(world)

    for _ in range(3):
        assert (await frontend.authenticate()).code == "account_locked"

    await all_ended(world)


async def test_the_wait_is_as_long_as_it_says_and_then_the_right_code_clears_it(world, frontend):
    await fail(frontend, 10)
    wait = int((await frontend.authenticate()).headers["Retry-After"])
    world.clock.ahead += wait - 2
    assert (await frontend.authenticate()).code == "account_locked"
    world.clock.ahead += 2
    before = len(world.mailbox.mails)

    opened = await frontend.authenticate()
    answer = await frontend.login(opened, await world.code(before + 1))

    assert answer.status == 200
    await fail(frontend, 9)
    assert (await frontend.authenticate()).status == 200


async def test_every_further_wrong_code_doubles_the_wait_up_to_a_quarter_of_an_hour(world, frontend):
    await fail(frontend, 10)
    waits = []
    for _ in range(7):
        world.clock.ahead += waits[-1] if waits else 30
        await fail(frontend, 1)
        waits.append(int((await frontend.authenticate()).headers["Retry-After"]))

    assert [math.ceil(wait / 10) * 10 for wait in waits] == [60, 120, 240, 480, 900, 900, 900]


async def test_the_owner_is_told_once_that_somebody_knows_the_password(world, frontend):
    await fail(frontend, 10)
    await world.eventually(lambda: len(world.mailbox.mails) == 3)
    world.clock.ahead = 31
    await fail(frontend, 1)
    await world.eventually(lambda: len(world.mailbox.mails) == 4)

    [notice] = [mail for mail in world.mailbox.mails if not has_code(mail)]
    assert notice.recipients == ("alice@example.test",)
    assert "alice" in notice.plain


async def test_another_account_is_not_touched(world, frontend):
    await fail(frontend, 10)

    assert (await frontend.authenticate("bob")).status == 200


async def test_the_lock_is_the_accounts_however_the_name_is_spelled(frontend):
    await fail(frontend, 10)

    assert (await frontend.authenticate("ÀLICE", "alice-pass-1")).code == "account_locked"


async def test_wrong_names_and_keys_lock_nobody(world, frontend):
    opened = await frontend.authenticate()
    for _ in range(12):
        await frontend.login(opened, "no code", username="bob")
        await frontend.login(opened, "no code", authType="SMS")

    assert (await frontend.login(opened, await world.code())).status == 200


class TestTheHardLock:
    @pytest.fixture
    def store(self, redis_server):
        """Unlocking is another process's."""
        return {"kind": "redis", "url": redis_server.url}

    async def test_a_hundred_wrong_codes_lock_until_somebody_unlocks(self, world):
        async with world.open_gateway(code={"attempts": 20, "lifetime_seconds": 3600}) as frontend:
            await fail(frontend, 10)
            for _ in range(45):
                world.clock.ahead += 901
                opened = await frontend.authenticate()
                for _ in range(2):
                    assert (await frontend.login(opened, "no code")).code == "wrong_otp"
                    world.clock.ahead += 901
            world.clock.ahead += 40 * 86_400

            refused = await frontend.authenticate()
            assert (refused.status, refused.code) == (429, "account_locked")
            assert int(refused.headers["Retry-After"]) > 86_400
            assert (await frontend.authenticate("bob")).status == 200

            await clear_locks(Settings.model_validate(world.configuration()), account="2")

            before = len(world.mailbox.mails)
            opened = await frontend.authenticate()
            assert opened.status == 200
            await world.eventually(lambda: len(world.mailbox.mails) > before)
