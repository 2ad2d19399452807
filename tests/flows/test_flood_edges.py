"""What a limit must not do, and where one ends: true waits, shared counts, messages and codes to the very edge."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from pydantic import ValidationError

from gateway.configuration import ConfigurationError, load
from gateway.demo.drupal.faults import Endpoint, Fault, Kind
from gateway.demo.drupal.signing_in import BY_ADDRESS
from gateway.demo.drupal.site import DrupalOptions
from gateway.drupal import reading_on
from gateway.login.turns import IN_FLIGHT
from gateway.settings import Settings
from gateway.telemetry import log_setup
from tests.ports import free_port
from tests.wire import ask, line, request
from tests.world import KEY, PASSWORDS, code_in, pending

HERE, THERE = "203.0.113.9", "203.0.113.10"
HOUR, DAY = 3600, 86_400


async def knock(frontend, username="alice", password="nope", *, at=HERE):
    """One try to log in, from the address *at*."""
    body = {"username": username, "password": password, "apiKey": frontend.key}
    return await frontend.post("authenticate", body, headers={"X-Forwarded-For": at})


async def right(frontend, username="alice", *, at=HERE):
    return await knock(frontend, username, f"{username}-pass-1", at=at)


async def type_in(frontend, opened, otp, *, at=HERE):
    body = pending(opened) | {"authType": opened["authType"], "otp": otp, "apiKey": frontend.key}
    return await frontend.post("login", body, headers={"X-Forwarded-For": at})


async def wrong_ones(frontend, count, username="alice", *, at=HERE):
    """That many wrong passwords, each refused as one."""
    answers = await asyncio.gather(*(knock(frontend, username, at=at) for _ in range(count)))
    assert {answer.code for answer in answers} == {"credentials"}


def assert_flood(answer, *, most_seconds):
    assert (answer.status, answer.code) == (429, "flood")
    assert most_seconds - 30 <= int(answer.headers["Retry-After"]) <= most_seconds


class TestPasswords:
    async def test_while_a_name_is_refused_the_right_one_opens_nothing(self, world, frontend):
        await wrong_ones(frontend, 4)

        refused = await right(frontend)

        assert_flood(refused, most_seconds=6 * HOUR)
        assert refused.body.keys() == {"username", "status", "message", "code"}
        assert not world.drupal.ledger.sessions

    async def test_it_is_refused_until_the_time_that_was_said_and_no_longer(self, world, frontend):
        await wrong_ones(frontend, 4)
        wait = int((await knock(frontend)).headers["Retry-After"])

        world.clock.ahead = wait - 30
        early = await right(frontend)
        world.clock.ahead = wait

        assert_flood(early, most_seconds=31)
        assert (await right(frontend)).status == 200

    async def test_a_refused_try_makes_the_wait_no_longer(self, world, frontend):
        await wrong_ones(frontend, 4)
        world.clock.ahead = 5 * HOUR
        for _ in range(10):
            assert (await knock(frontend)).code == "flood"
        world.clock.ahead = 6 * HOUR + 1

        assert (await right(frontend)).status == 200

    async def test_right_ones_are_none_of_the_addresss_forty(self, frontend):
        await asyncio.gather(*(knock(frontend, f"nobody-{number}") for number in range(39)))
        for _ in range(3):
            assert (await right(frontend, "bob")).status == 200

        assert (await knock(frontend, "nobody-39")).code == "credentials"
        assert_flood(await knock(frontend, "nobody-40"), most_seconds=HOUR)

    async def test_an_address_is_the_same_in_any_spelling(self, frontend):
        for spelling in ("203.0.113.9", "::ffff:203.0.113.9", "::FFFF:cb00:7109", "203.0.113.9:4711"):
            await wrong_ones(frontend, 1, at=spelling)

        assert (await knock(frontend)).code == "flood"

    async def test_drupals_own_refusal_of_an_address_is_flood_with_a_time_to_wait(self, world, frontend):
        for _ in range(50):
            world.drupal.flood.register(BY_ADDRESS, HERE)

        assert_flood(await right(frontend), most_seconds=HOUR)

    async def test_fifty_one_bad_logins_leave_forty_rows_at_drupal_and_none_of_the_gateways(self, world, frontend):
        answers = await asyncio.gather(*(knock(frontend, f"nobody-{number}") for number in range(51)))

        assert sorted(answer.code for answer in answers) == ["credentials"] * 40 + ["flood"] * 11
        assert world.drupal.flood.rows(BY_ADDRESS) == {HERE: 40}
        assert (await right(frontend, at=THERE)).status == 200


class TestASlowDrupal:
    """Logins that the gateway gives up, and that Drupal carries out all the same."""

    @pytest.fixture
    async def impatient(self, world):
        async with world.open_gateway(drupal={"timeout_seconds": 0.4}) as frontend:
            yield frontend

    async def time_outs(self, world, frontend, password, *, kind=Kind.SLOW):
        """Four logins that Drupal answers after their time-out. Afterwards it is quick again."""
        world.drupal.fault = Fault(kind=kind, at=Endpoint.LOGIN, seconds=1.2)
        for _ in range(4 // IN_FLIGHT):
            answers = await asyncio.gather(*(knock(frontend, "alice", password) for _ in range(IN_FLIGHT)))
            assert {answer.code for answer in answers} == {"drupal_timeout"}
        world.drupal.fault = None

    async def test_right_passwords_that_timed_out_do_not_count_once_drupal_has_accepted_them(
        self, world, impatient, events
    ):
        await self.time_outs(world, impatient, PASSWORDS["alice"])
        await world.eventually(lambda: count(events, "reaper.logged_out") == 4)

        assert (await right(impatient)).status == 200
        # Nor do they count for the address.
        await asyncio.gather(*(knock(impatient, f"nobody-{number}") for number in range(39)))
        assert (await knock(impatient, "nobody-39")).code == "credentials"

    async def test_wrong_passwords_that_timed_out_stay_counted(self, world, impatient, events):
        await self.time_outs(world, impatient, "nope")
        await world.eventually(lambda: count(events, "drupal.late_refusal") == 4)

        assert_flood(await right(impatient), most_seconds=6 * HOUR)

    async def test_a_session_cookie_without_a_user_proves_no_password(self, world, impatient, events, monkeypatch):
        monkeypatch.setattr(reading_on, "READ_ON_SECONDS", 0.5)
        await self.time_outs(world, impatient, PASSWORDS["alice"], kind=Kind.STALL)
        await world.eventually(lambda: count(events, "reaper.logged_out") == 4)

        assert_flood(await right(impatient), most_seconds=6 * HOUR)


def count(events, name):
    return [event["event"] for event in events].count(name)


class TestManyGateways:
    """One, or two over one Redis."""

    @pytest.fixture
    def count(self, store):
        return 2 if store["kind"] == "redis" else 1

    async def test_of_twenty_wrong_ones_that_are_let_go_at_once_four_reach_drupal(self, world, count):
        sent = request(
            "authenticate", {"username": "alice", "password": "nope", "apiKey": KEY}, f"X-Forwarded-For: {HERE}"
        )
        async with AsyncExitStack() as stack:
            gateways = [await stack.enter_async_context(world.open_gateway()) for _ in range(count)]
            lines = [await stack.enter_async_context(line(gateways[n % count].url)) for n in range(20)]
            await asyncio.gather(*(each.send(sent[:-1]) for each in lines))
            await asyncio.sleep(0.1)
            await asyncio.gather(*(each.send(sent[-1:]) for each in lines))
            replies = await asyncio.gather(*(each.reply() for each in lines))

        assert sorted(reply.code for reply in replies) == ["credentials"] * 4 + ["flood"] * 16
        assert world.drupal.login_calls == 4

    async def test_an_attack_on_the_second_factor_is_said_by_one_of_them_once(self, world, count, events):
        flood = {"everywhere": {"most": 4, "seconds": 600}}
        async with AsyncExitStack() as stack:
            gateways = [await stack.enter_async_context(world.open_gateway(flood=flood)) for _ in range(count)]
            for number, name in enumerate(["alice", "bob", "dave"] * 3):
                frontend, at = gateways[number % count], f"198.51.100.{number + 1}"
                opened = await right(frontend, name, at=at)
                assert (await type_in(frontend, opened, "no code", at=at)).code == "wrong_otp"
                said = [event for event in events if event["event"] == "attack.second_factor"]
                assert len(said) == (number >= 3)

        assert (said[0]["log_level"], said[0]["count"]) == ("warning", 4)


class TestDeliveries:
    THREE = {"mail": {"most": 3, "seconds": DAY}}  # noqa: RUF012

    async def test_what_may_not_be_sent_displaces_nothing(self, world):
        async with world.open_gateway(flood=self.THREE) as frontend:
            first = await right(frontend)
            code = await world.code(1)
            for number in (1, 2):
                assert (await right(frontend, at=f"198.51.100.{number}")).status == 200

            refused = [await right(frontend, at=THERE) for _ in range(3)]

            for answer in refused:
                assert_flood(answer, most_seconds=DAY)
            await world.mailbox.mail(3)
            assert (await type_in(frontend, first, code)).status == 200
            assert len(world.mailbox.mails) == 3

    async def test_what_may_not_be_sent_takes_no_place_in_the_outbox(self, world):
        """With the mail server away, one account could else fill it for all."""
        world.store["outbox_most"] = 20
        away = {"email": {"kind": "smtp", "host": "127.0.0.1", "port": free_port(), "sender": "a@example.org"}}
        flood = {"mail": {"most": 1, "seconds": DAY}}
        async with world.open_gateway(channels=away, flood=flood) as frontend:
            assert (await right(frontend)).status == 200
            for number in range(40):
                assert_flood(await right(frontend, at=f"198.51.100.{number}"), most_seconds=DAY)

            assert (await right(frontend, "bob")).status == 200

    async def test_a_code_that_was_counted_is_sent_although_the_window_of_its_limit_is_over(self, world):
        async with world.open_gateway(flood={"mail": {"most": 5, "seconds": 1}}) as frontend:
            await world.mailbox.stop()
            opened = await right(frontend)
            await asyncio.sleep(1.5)
            await world.mailbox.start()

            assert (await type_in(frontend, opened, code_in(await world.mailbox.mail(1)))).status == 200

    async def test_a_spelling_of_the_address_evades_nothing(self, world):
        async with world.open_gateway(flood=self.THREE) as frontend:
            for mail in ("alice@example.test", "ALICE@example.test", "Alice@EXAMPLE.test"):
                world.drupal.accounts.change(2, mail=mail)
                assert (await right(frontend)).status == 200

            assert_flood(await right(frontend), most_seconds=DAY)

    async def test_an_account_that_claims_another_ones_number_does_not_use_up_that_ones_messages(self, world):
        claimed = world.drupal.accounts.get(3).phone
        world.drupal.accounts.change(2, phone=claimed)
        flood = {"phone_burst": {"most": 2, "seconds": 900}}
        async with world.open_gateway(flood=flood, channels={"sms": {"kind": "console"}}, method="SMS") as frontend:
            for _ in range(2):
                assert (await right(frontend)).status == 200
            assert_flood(await right(frontend), most_seconds=900)

            assert (await right(frontend, "bob")).status == 200

    async def test_all_accounts_together_cost_a_number_only_so_many_messages(self, world):
        for uid in (2, 3, 5):
            world.drupal.accounts.change(uid, phone="+15550100009")
        flood = {"phone": {"most": 2, "seconds": DAY}, "phone_total": {"most": 3, "seconds": DAY}}
        async with world.open_gateway(flood=flood, channels={"sms": {"kind": "console"}}, method="SMS") as frontend:
            opened = [await right(frontend, name) for name in ("alice", "alice", "bob")]
            assert [answer.status for answer in opened] == [200] * 3

            assert_flood(await right(frontend, "dave"), most_seconds=DAY)

    async def test_every_resend_is_a_message(self, world):
        async with world.open_gateway(flood=self.THREE) as frontend:
            opened = await right(frontend)
            assert [(await frontend.resend(opened)).status for _ in range(2)] == [200, 200]

            assert_flood(await frontend.resend(opened), most_seconds=DAY)

            assert {code_in(await world.mailbox.mail(number)) for number in (1, 2, 3)} == {await world.code()}
            assert (await frontend.login(opened, await world.code())).status == 200

    async def test_a_resend_that_is_too_soon_is_none(self, world):
        code = {"resend_wait_seconds": 60}
        async with world.open_gateway(flood={"mail": {"most": 2, "seconds": DAY}}, code=code) as frontend:
            opened = await right(frontend)
            for _ in range(5):
                assert (await frontend.resend(opened)).code == "too_soon"
            world.clock.ahead = 61

            assert (await frontend.resend(opened)).status == 200

    async def test_texts_are_counted_more_closely_than_mails(self, world):
        flood = {"phone_burst": {"most": 2, "seconds": 900}, "phone": {"most": 3, "seconds": DAY}}
        async with world.open_gateway(flood=flood, channels={"sms": {"kind": "console"}}, method="SMS") as frontend:
            for _ in range(2):
                assert (await right(frontend)).status == 200
            assert_flood(await right(frontend), most_seconds=900)
            world.clock.ahead = 901
            assert (await right(frontend)).status == 200

            assert_flood(await right(frontend), most_seconds=DAY - 900)


class TestCodes:
    THREE = {"codes": {"most": 3, "seconds": HOUR}}  # noqa: RUF012

    async def test_one_that_is_refused_for_its_address_costs_the_login_nothing(self, world):
        async with world.open_gateway(flood=self.THREE) as frontend:
            opened = await right(frontend)
            code = await world.code()
            for _ in range(3):
                assert (await type_in(frontend, opened, "no code")).code == "wrong_otp"

            for _ in range(4):
                assert_flood(await type_in(frontend, opened, code), most_seconds=HOUR)

            assert (await frontend.status(opened))["attemptsLeft"] == 2
            assert (await type_in(frontend, opened, code, at=THERE)).status == 200

    async def test_right_ones_are_not_counted(self, world):
        async with world.open_gateway(flood=self.THREE) as frontend:
            for number in range(1, 6):
                opened = await right(frontend)
                assert (await type_in(frontend, opened, await world.code(number))).status == 200

    async def test_answers_to_no_open_login_are_not_counted(self, world):
        async with world.open_gateway(flood=self.THREE) as frontend:
            opened = await right(frontend)
            for _ in range(6):
                closed = await frontend.login(opened, "no code", transactionID="x" * 43)
                assert closed.code == "transaction_closed"

            assert (await frontend.login(opened, await world.code())).status == 200


class TestADrupalThatCountsTheGateway:
    """`reverse_proxy` is off: fifty typos an hour lock everybody out."""

    @pytest.fixture
    def drupal_options(self):
        return DrupalOptions(reverse_proxy_addresses=())

    async def test_readyz_says_it_for_an_hour_and_no_visitors_address_is_named(self, world, frontend, events):
        for _ in range(50):
            world.drupal.flood.register(BY_ADDRESS, "127.0.0.1")
        assert (await readyz(world))["drupal"] == "unknown"

        assert_flood(await right(frontend, at=THERE), most_seconds=HOUR)

        [event] = [event for event in events if event["event"] == "drupal.counts_gateway"]
        assert "$settings['reverse_proxy'] = TRUE" in event["change"]
        assert THERE not in str(event)
        ready = await readyz(world)
        assert (ready["status"], ready["drupal"]) == ("ok", "counts_gateway")
        world.clock.ahead = HOUR + 1
        assert (await readyz(world))["drupal"] == "ok"

    async def test_it_is_said_once_a_minute_however_many_are_refused(self, world, frontend, events, monkeypatch):
        monkeypatch.setattr(log_setup, "SAY_AGAIN_SECONDS", 0.5)
        for _ in range(50):
            world.drupal.flood.register(BY_ADDRESS, "127.0.0.1")

        def said():
            return [event for event in events if event["event"] == "drupal.counts_gateway"]

        await asyncio.gather(*(right(frontend, at=f"198.51.100.{number}") for number in range(1, 9)))
        assert len(said()) == 1
        await asyncio.sleep(0.6)
        await right(frontend, at=THERE)

        assert len(said()) == 2

    async def test_the_innocent_are_not_counted(self, world, frontend):
        for _ in range(50):
            world.drupal.flood.register(BY_ADDRESS, "127.0.0.1")
        for _ in range(6):
            assert (await knock(frontend)).code == "flood"
        world.drupal.flood.empty()

        await wrong_ones(frontend, 4)


class TestADrupalThatCountsByAccountAlone:
    @pytest.fixture
    def drupal_options(self):
        return DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), uid_only=True)

    async def test_we_refuse_first_from_however_many_addresses_and_in_whatever_spelling(self, world):
        async with world.open_gateway(flood={"drupal": {"uid_only": True}}) as frontend:
            for number in range(1, 5):
                await wrong_ones(frontend, 1, at=f"198.51.100.{number}")

            assert_flood(await knock(frontend, "ÀLICE", at=THERE), most_seconds=6 * HOUR)
            assert world.drupal.login_calls == 4
            assert (await right(frontend, "bob", at=THERE)).status == 200


async def readyz(world):
    return (await ask(world.admin_url, b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")).body


NAME, ADDRESS = {"most": 4, "seconds": 21_600}, {"most": 40, "seconds": 3_600}


@pytest.mark.parametrize(
    ("whose", "flood"),
    [
        ("name", {"name": NAME | {"most": 5}}),
        ("name", {"name": NAME | {"seconds": 21_599}}),
        ("name", {"drupal": {"user_limit": 4}}),
        ("name", {"drupal": {"user_window": 21_601}}),
        ("address", {"address": ADDRESS | {"most": 50}}),
        ("address", {"address": ADDRESS | {"seconds": 3_599}}),
        ("address", {"drupal": {"ip_limit": 40}}),
        ("address", {"drupal": {"ip_window": 3_601}}),
    ],
)
def test_limits_that_drupal_would_reach_first_are_refused(whose, flood, tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({"headless": {"clients": [{"id": "web", "api_key": KEY}]}, "flood": flood}))

    with pytest.raises(ValidationError):
        Settings.model_validate({"flood": flood})
    with pytest.raises(ConfigurationError) as error:
        load(path, {})

    [(key, sentence)] = error.value.problems
    assert key == "flood"
    assert sentence.startswith(f"{whose}: most must be lower")


def test_limits_just_below_a_stricter_or_a_laxer_drupals_are_taken():
    strict = {"name": NAME | {"most": 2}, "drupal": {"user_limit": 3}}
    lax = {"address": ADDRESS | {"most": 999}, "drupal": {"ip_limit": 1000}}

    assert Settings.model_validate({"flood": strict}).flood.name.most == 2
    assert Settings.model_validate({"flood": lax}).flood.address.most == 999
