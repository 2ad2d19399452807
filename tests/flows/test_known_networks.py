"""Who knows a password can keep its owner from logging in where she has not been lately, and nowhere else."""

import pytest

from gateway.cli.accounts import clear_locks
from gateway.demo.drupal.site import DrupalOptions
from gateway.settings import Settings
from tests.world import code_in, pending, wrong

HOME = "203.0.113.9"
DAY = 86_400
QUICK = {"attempts": 20, "lifetime_seconds": 3600, "resend_wait_seconds": 0}


@pytest.fixture
def drupal_options():
    return DrupalOptions(reverse_proxy_addresses=("127.0.0.1",))


async def ask(frontend, endpoint, body, *, at):
    return await frontend.post(endpoint, body | {"apiKey": frontend.key}, headers={"X-Forwarded-For": at})


async def right(frontend, *, at):
    return await ask(frontend, "authenticate", {"username": "alice", "password": "alice-pass-1"}, at=at)


async def type_in(frontend, opened, otp, *, at):
    return await ask(frontend, "login", pending(opened) | {"authType": opened["authType"], "otp": otp}, at=at)


async def log_in(world, frontend, *, at):
    """The whole way, with the code from the mailbox."""
    before = len(world.mailbox.mails)
    opened = await right(frontend, at=at)
    assert opened.status == 200, opened.body
    mail = await world.mailbox.mail(before + 1)
    answer = await type_in(frontend, opened, code_in(mail), at=at)
    assert answer.status == 200, answer.body
    return mail


def attackers():
    return (f"198.51.100.{number}" for number in range(1, 250))


async def use_up_mails(world, frontend):
    for address in attackers():
        if (answer := await right(frontend, at=address)).status != 200:
            assert answer.code == "flood"
            return
    raise AssertionError("never refused")


async def use_up_guesses(world, frontend):
    """Until somebody has to unlock the account, for strangers."""
    for address in attackers():
        opened = await right(frontend, at=address)
        while opened.status == 200:
            if (await type_in(frontend, opened, "no code", at=address)).code != "wrong_otp":
                break
            world.clock.ahead += 901
        if opened.code == "account_locked" and int(opened.headers["Retry-After"]) > DAY:
            return
        if opened.code == "account_locked":
            world.clock.ahead += int(opened.headers["Retry-After"])
    raise AssertionError("never locked")


async def displace(world, frontend):
    for address in list(attackers())[:8]:
        assert (await right(frontend, at=address)).status == 200


@pytest.mark.parametrize("attack", [use_up_mails, use_up_guesses], ids=["mails", "guesses"])
async def test_who_knows_the_password_does_not_keep_its_owner_out_at_home(world, attack):
    async with world.open_gateway(code=QUICK, flood={"mail": {"most": 100, "seconds": DAY}}) as frontend:
        await log_in(world, frontend, at=HOME)
        await attack(world, frontend)

        assert (await right(frontend, at="192.0.2.77")).status == 429
        await log_in(world, frontend, at=HOME)
        await log_in(world, frontend, at=HOME)


async def test_who_knows_the_password_does_not_displace_a_login_from_home(world):
    async with world.open_gateway() as frontend:
        await log_in(world, frontend, at=HOME)
        opened = await right(frontend, at=HOME)
        code = code_in(await world.mailbox.mail(2))

        await displace(world, frontend)

        assert (await type_in(frontend, opened, code, at=HOME)).status == 200


async def test_wrong_codes_from_home_lock_home_and_nothing_else(world):
    async with world.open_gateway(code=QUICK) as frontend:
        mail = await log_in(world, frontend, at=HOME)
        opened = await right(frontend, at=HOME)
        for _ in range(10):
            assert (await type_in(frontend, opened, wrong(code_in(mail)) + "9", at=HOME)).code == "wrong_otp"

        assert (await right(frontend, at=HOME)).code == "account_locked"
        assert (await right(frontend, at="192.0.2.77")).status == 200


async def test_a_network_is_known_for_thirty_days_after_the_last_login(world):
    async with world.open_gateway(flood={"mail": {"most": 1, "seconds": 300}}) as frontend:
        await log_in(world, frontend, at=HOME)
        world.clock.ahead += 29 * DAY
        await log_in(world, frontend, at=HOME)
        world.clock.ahead += 29 * DAY
        assert (await right(frontend, at="192.0.2.1")).status == 200
        assert (await right(frontend, at=HOME)).status == 200

        world.clock.ahead += 2 * DAY
        assert (await right(frontend, at="192.0.2.1")).status == 200
        assert (await right(frontend, at=HOME)).code == "flood"


async def test_a_network_becomes_known_by_a_right_code_alone(world):
    async with world.open_gateway(flood={"mail": {"most": 1, "seconds": DAY}}) as frontend:
        opened = await right(frontend, at=HOME)
        await type_in(frontend, opened, "no code", at=HOME)
        assert (await right(frontend, at=HOME)).code == "flood"


class TestMemory:
    @pytest.fixture
    def store(self):
        return {"kind": "memory", "most_entries": 12}

    async def test_any_number_of_networks_takes_nobodys_login(self, world):
        async with world.open_gateway() as frontend:
            for address in list(attackers())[:24]:
                await log_in(world, frontend, at=address)
                world.clock.ahead += DAY


class TestUnlocking:
    @pytest.fixture
    def store(self, redis_server):
        """Unlocking is another process's."""
        return {"kind": "redis", "url": redis_server.url}

    async def test_unlocking_opens_the_account_everywhere(self, world):
        async with world.open_gateway(code=QUICK) as frontend:
            mail = await log_in(world, frontend, at=HOME)
            for at in (HOME, "192.0.2.77"):
                opened = await right(frontend, at=at)
                for _ in range(10):
                    await type_in(frontend, opened, wrong(code_in(mail)) + "9", at=at)
                assert (await right(frontend, at=at)).code == "account_locked"

            await clear_locks(Settings.model_validate(world.configuration()), account="2")

            for at in (HOME, "192.0.2.77"):
                assert (await right(frontend, at=at)).status == 200
