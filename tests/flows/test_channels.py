"""SMS, calls, both at once, and the fallback when a channel fails."""

import asyncio
import base64
import json
import re
import subprocess
import sys

import pytest

from gateway.cli.messages import send_test_message
from gateway.demo.drupal.accounts import User, example_users
from gateway.demo.drupal.site import DrupalOptions
from gateway.login import methods
from gateway.settings import Settings
from tests.flows.steps import all_ended, session_of
from tests.flows.test_status import eventually_not
from tests.http_peer import http_peer, move
from tests.world import a_world, code_in, start_gateway, wrong

TWILIO = f"twilio://AC{'0' * 32}:{'f' * 32}@+12025550100/{{to}}"
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
PHONES = (
    User(uid=40, name="written", password="x-pass-1", mail="written@example.test", phone="0151 / 123 456 78"),
    User(uid=41, name="premium", password="x-pass-1", mail="premium@example.test", phone="+49 900 1234567"),
    User(uid=42, name="onlypremium", password="x-pass-1", phone="+49 900 1234567"),
    User(uid=43, name="onlyphone", password="x-pass-1", phone="+4915112345678"),
    User(uid=44, name="words", password="x-pass-1", mail="words@example.test", phone='"><script>, ask my wife'),
)
SPOKEN = re.compile(r"\d(?:, \d)+")


@pytest.fixture
def drupal_options():
    return DrupalOptions(users=(*example_users(), *PHONES), reverse_proxy_addresses=("127.0.0.1",))


@pytest.fixture
async def provider():
    async with http_peer() as peer:
        yield peer


@pytest.fixture
def twilio(monkeypatch, provider):
    move(monkeypatch, "Twilio", provider.url)


@pytest.fixture
def phones(twilio):
    """The options of every channel, and of a courier that rests only briefly."""
    return {
        "channels": {
            "sms": {"kind": "apprise", "url": TWILIO, "timeout_seconds": 1},
            "voice": {"kind": "apprise", "url": f"{TWILIO}?method=call", "timeout_seconds": 1},
        },
        "courier": {"retry_seconds": 0.02, "retry_most_seconds": 0.05},
        "flood": {"phone_burst": {"most": 1000, "seconds": 900}, "phone": {"most": 1000, "seconds": 900}},
    }


def code_of(post):
    if call := post.form.get("Twiml"):
        # Spoken digit by digit, and twice.
        first, second = SPOKEN.findall(call)
        assert first == second
        return first.replace(", ", "")
    return code_in(type("Mail", (), {"plain": post.form["Body"]}))


class TestSms:
    async def test_a_code_by_sms_logs_in(self, world, phones, provider):
        async with world.open_gateway(**phones, method="SMS") as frontend:
            opened = await frontend.authenticate()
            code = code_of(await provider.posted())
            sent = await eventually_not(frontend, opened, "queued")
            won = await frontend.login(opened, code)

        assert opened["authType"] == "SMS"
        assert opened["destination"] == "+1•••••••0001"
        assert provider.posts[0].form["To"] == "+15550100001"
        assert (sent["delivery"], sent["carriedBy"]) == ("sent", "SMS")
        assert won.status == 200
        assert session_of(world, won).uid == 2
        assert not world.mailbox.mails

    async def test_a_text_message_reaches_the_provider_in_the_readers_language_and_bound_to_the_site(
        self, world, phones, provider
    ):
        async with world.open_gateway(**phones, method="SMS", public_url="https://www.example.org") as frontend:
            frontend.headers["Accept-Language"] = "de"
            await frontend.authenticate("onlyphone", "x-pass-1")
            body = (await provider.posted()).form["Body"]

        code = code_in(type("Mail", (), {"plain": body}))
        assert "ist Ihr Code" in body
        assert body.splitlines()[1:] == [f"@www.example.org #{code}"]

    async def test_a_call_is_in_the_language_that_the_browser_asks_for(self, world, phones, provider):
        async with world.open_gateway(**phones) as frontend:
            frontend.headers["Accept-Language"] = "ar, en;q=0.5"
            opened = await frontend.authenticate("onlyphone", "x-pass-1", authType="PHONE VERIFICATION")
            post = await provider.posted()

            assert "رمز الدخول" in post.form["Twiml"]
            assert (await frontend.login(opened, code_of(post))).status == 200

    async def test_a_code_by_call_logs_in(self, world, phones, provider):
        async with world.open_gateway(**phones) as frontend:
            opened = await frontend.authenticate(authType="PHONE VERIFICATION")
            post = await provider.posted()
            won = await frontend.login(opened, code_of(post))

        assert post.path.endswith("/Calls.json")
        assert won.status == 200

    async def test_a_sender_of_the_operators_own_gets_the_code(self, world, provider):
        sms = {"kind": "webhook", "url": f"{provider.url}/send", "secret": SECRET}
        async with world.open_gateway(channels={"sms": sms}, method="SMS") as frontend:
            opened = await frontend.authenticate()
            told = json.loads((await provider.posted()).body)
            won = await frontend.login(opened, told["code"])

        assert (told["to"], told["channel"], told["language"]) == ("+15550100001", "sms", "en")
        assert told["code"] in told["text"]
        assert won.status == 200

    async def test_a_mail_may_be_sent_by_it_too(self, world, provider):
        mail = {"kind": "webhook", "url": f"{provider.url}/send", "secret": SECRET}
        world.settings["channels"] = {}
        configuration = world.configuration()
        configuration["channels"] = {"email": mail}
        world.configuration = lambda **changes: configuration | changes
        async with world.open_gateway() as frontend:
            opened = await frontend.authenticate()
            told = json.loads((await provider.posted()).body)
            won = await frontend.login(opened, told["code"])

        assert (told["to"], told["channel"]) == ("alice@example.test", "email")
        assert won.status == 200

    async def test_a_slow_provider_holds_up_no_login(self, world, phones, provider):
        provider.silent = True
        async with world.open_gateway(**phones) as frontend:
            by_phone = [asyncio.create_task(frontend.authenticate(authType="SMS")) for _ in range(3)]
            await asyncio.gather(*by_phone)
            await provider.posted()
            opened = await asyncio.wait_for(frontend.authenticate("bob"), 5)
            won = await frontend.login(opened, await world.code())

        assert won.status == 200


class TestNothingIsTold:
    async def test_no_line_of_a_process_holds_a_number_a_code_or_a_key(self, world, provider, tmp_path):
        provider.status = 400
        sms = {"kind": "apprise", "url": f"json://provider-key:provider-pass@127.0.0.1:{provider.port}/?:to={{to}}"}
        changes = {"channels": {"sms": sms}, "method": "SMS", "fallback": {"SMS": "EMAIL"}, "log": {"level": "debug"}}
        async with start_gateway(world, tmp_path, **changes) as process:
            frontend = world.visit(process.url)
            opened = await frontend.authenticate()
            told_to_provider = json.loads((await provider.posted()).body)
            code = await world.code()
            await told(frontend, opened, "EMAIL")
            await frontend.login(opened, code)
            assert await process.stop() == 0

        assert told_to_provider["to"] == "+15550100001"
        assert process.events("courier.failed")
        lines = "".join(process.log)
        assert [word for word in ("5550100001", code, "provider-key", "provider-pass", "alice") if word in lines] == []

    @pytest.mark.parametrize("module", ["apprise", "requests", "phonenumbers"])
    def test_a_start_without_such_a_channel_loads_nothing_for_it(self, module):
        work = (
            f"import sys, gateway.app, gateway.cli.main; from gateway.configuration import load; "
            f"load(None, {{'HEADGATE_API_KEY': 'k'}}); sys.exit('{module}' in sys.modules)"
        )

        assert subprocess.run([sys.executable, "-c", work], check=False).returncode == 0


class TestSendTest:
    @pytest.mark.parametrize("kind", ["apprise", "webhook"])
    async def test_a_number_is_sent_to_as_it_is_written(self, world, provider, phones, kind):
        webhook = {"kind": "webhook", "url": provider.url, "secret": SECRET}
        sms = phones["channels"]["sms"] if kind == "apprise" else webhook
        settings = settings_of(world, channels={"sms": sms}, numbers={"default_region": "DE"})

        assert await send_test_message(settings, method="SMS", to="0151 12345678") is None
        assert "4915112345678" in provider.posts[0].body.decode()
        assert "000000" in provider.posts[0].body.decode()

    async def test_a_number_that_may_not_be_sent_to_is_logged(self, world, provider, phones):
        settings = settings_of(world, channels=phones["channels"])

        assert await send_test_message(settings, method="SMS", to="+49 900 1234567") == "sms: number"
        assert provider.posts == []


def settings_of(world, **changes):
    return Settings.model_validate(world.configuration(**changes))


class TestNumbers:
    @pytest.mark.parametrize("modules", [(), ("jsonapi",), ("rest",)], ids=["form", "jsonapi", "rest"])
    async def test_a_number_is_read_as_it_was_written_whichever_way_shows_it(
        self, store, phones, provider, modules, drupal_options
    ):
        options = DrupalOptions(users=drupal_options.users, modules=frozenset(modules))
        async with (
            a_world(store=store, drupal=options) as world,
            world.open_gateway(**phones, numbers={"default_region": "DE", "allowed_regions": ["DE"]}) as frontend,
        ):
            opened = await frontend.authenticate("written", "x-pass-1", authType="SMS")
            post = await provider.posted()

        assert opened["destination"] == "+4•••••••5678"
        assert post.form["To"] == "+4915112345678"

    @pytest.mark.parametrize("name", ["written", "premium", "words"])
    async def test_a_number_that_cannot_be_used_is_not_offered(self, world, phones, events, name):
        async with world.open_gateway(**phones) as frontend:
            opened = await frontend.authenticate(name, "x-pass-1")
            asked = await frontend.authenticate(name, "x-pass-1", authType="SMS")

        assert opened["methods"] == ["EMAIL"]
        assert (asked.status, asked.code) == (403, "not_enrolled")
        assert [event["uid"] for event in events if event["event"] == "authenticate.unusable_number"] == [
            str(next(user.uid for user in PHONES if user.name == name))
        ] * 2

    async def test_an_account_with_nothing_else_has_no_destination(self, world, phones, provider):
        async with world.open_gateway(**phones) as frontend:
            answer = await frontend.authenticate("onlypremium", "x-pass-1")

            assert (answer.status, answer.code) == (422, "no_destination")
            assert not provider.posts
            await all_ended(world)

    async def test_spellings_of_one_number_count_as_one(self, world, phones):
        flood = {"phone_total": {"most": 2, "seconds": 900}}
        changed = phones | {"flood": flood}
        async with world.open_gateway(**changed, numbers={"default_region": "DE"}, method="SMS") as frontend:
            first = await frontend.authenticate("written", "x-pass-1")
            second = await frontend.authenticate("onlyphone", "x-pass-1")
            third = await frontend.authenticate("written", "x-pass-1")

        assert (first.status, second.status) == (200, 200)
        assert (third.status, third.code) == (429, "flood")


class TestBothAtOnce:
    async def test_one_code_by_both(self, world, phones, provider):
        async with world.open_gateway(**phones, method="SMS AND EMAIL") as frontend:
            opened = await frontend.authenticate()
            by_phone, by_mail = code_of(await provider.posted()), await world.code()
            await told(frontend, opened, "SMS AND EMAIL")
            won = await frontend.login(opened, by_phone)

        assert by_phone == by_mail
        assert opened["destination"] == "+1•••••••0001 / a•••@e••••.test"
        assert won.status == 200

    async def test_it_is_sent_when_the_mail_is(self, world, phones, provider):
        provider.status = 400
        async with world.open_gateway(**phones, method="SMS AND EMAIL") as frontend:
            opened = await frontend.authenticate()
            status = await told(frontend, opened, "EMAIL")
            won = await frontend.login(opened, await world.code())

        assert status["delivery"] == "sent"
        assert won.status == 200

    async def test_it_is_sent_when_the_text_message_is(self, world, phones, provider):
        world.mailbox.answers["RCPT"] = "550 5.1.1 no such user"
        async with world.open_gateway(**phones, method="SMS AND EMAIL") as frontend:
            opened = await frontend.authenticate()
            status = await told(frontend, opened, "SMS")
            won = await frontend.login(opened, code_of(await provider.posted()))

        assert status["delivery"] == "sent"
        assert won.status == 200

    async def test_it_has_failed_when_both_have(self, world, phones, provider):
        provider.status = 400
        world.mailbox.answers["RCPT"] = "550 5.1.1 no such user"
        async with world.open_gateway(**phones, method="SMS AND EMAIL") as frontend:
            opened = await frontend.authenticate()
            status = await eventually_not(frontend, opened, "queued")

        assert status["delivery"] == "failed"
        assert "carriedBy" not in status.body


class TestFallback:
    async def test_what_the_provider_refuses_goes_by_mail_with_the_same_code(self, world, phones, provider, events):
        provider.status = 400
        async with world.open_gateway(**phones, method="SMS", fallback={"SMS": "EMAIL"}) as frontend:
            opened = await frontend.authenticate()
            refused = code_of(await provider.posted())
            mailed = await world.code()
            status = await told(frontend, opened, "EMAIL")
            won = await frontend.login(opened, mailed)

        assert mailed == refused
        assert (status["delivery"], status["authType"]) == ("sent", "SMS")
        assert won.status == 200
        (queued,) = [event for event in events if event["event"] == "fallback.queued"]
        assert (queued["failed"], queued["by"], queued["uid"]) == ("SMS", "EMAIL", "2")

    async def test_a_refusal_within_a_200_goes_by_mail_too(self, world, phones, provider, events, monkeypatch):
        move(monkeypatch, "Vonage", provider.url)
        provider.status, provider.answer = (
            200,
            '{"message-count": "1", "messages": [{"status": "9", "error-text": "x"}]}',
        )
        phones["channels"]["sms"] = {
            "kind": "vonage",
            "api_key": "abcdef01",
            "api_secret": "0123456789abcdef",
            "sender": "12025550100",
        }
        async with world.open_gateway(**phones, method="SMS", fallback={"SMS": "EMAIL"}) as frontend:
            opened = await frontend.authenticate()
            won = await frontend.login(opened, await world.code())

        assert won.status == 200
        assert [event["reason"] for event in events if event["event"] == "courier.failed"] == ["vonage_9"]

    async def test_the_login_stays_bound_to_the_authtype_that_was_told(self, world, phones, provider):
        provider.status = 400
        async with world.open_gateway(**phones, method="SMS", fallback={"SMS": "EMAIL"}) as frontend:
            opened = await frontend.authenticate()
            code = await world.code()
            other = await frontend.login(opened, code, authType="EMAIL")
            won = await frontend.login(opened, code)

        assert other.code == "transaction_closed"
        assert won.status == 200

    async def test_a_fallback_gives_neither_time_nor_attempts_nor_resends(self, world, phones, provider):
        provider.status = 400
        async with world.open_gateway(**phones, method="SMS", fallback={"SMS": "EMAIL"}) as frontend:
            opened = await frontend.authenticate()
            code = code_of(await provider.posted())
            before = await frontend.login(opened, wrong(code))
            await world.code()
            after = await frontend.login(opened, wrong(code))
            status = await frontend.status(opened)
            again = await frontend.resend(opened)

        assert (before["attemptsLeft"], after["attemptsLeft"], status["attemptsLeft"]) == (4, 3, 3)
        assert status["expiresIn"] <= opened["expiresIn"]
        assert again["resendsLeft"] == 2

    async def test_a_provider_that_is_away_is_tried_for_a_while_only(self, world, phones, provider, monkeypatch):
        monkeypatch.setattr(methods, "TRIED_SECONDS", 0.5)
        provider.status = 503
        async with world.open_gateway(**phones, method="SMS", fallback={"SMS": "EMAIL"}) as frontend:
            opened = await frontend.authenticate()
            code = await world.code()
            tries = len(provider.posts)
            won = await frontend.login(opened, code)

        assert tries > 1
        assert won.status == 200

    @pytest.mark.parametrize("how", ["silent", "drops"])
    async def test_so_is_one_that_says_nothing(self, world, phones, provider, monkeypatch, how):
        monkeypatch.setattr(methods, "TRIED_SECONDS", 0.5)
        setattr(provider, how, True)
        async with world.open_gateway(**phones, method="SMS", fallback={"SMS": "EMAIL"}) as frontend:
            opened = await frontend.authenticate()
            won = await frontend.login(opened, await world.code())

        assert won.status == 200

    async def test_what_was_sent_is_told_as_long_as_the_code_lives(self, world, phones, provider):
        async with world.open_gateway(**phones, method="SMS", fallback={"SMS": "EMAIL"}) as frontend:
            opened = await frontend.authenticate()
            await told(frontend, opened, "SMS")
            world.clock.ahead = 295
            status = await frontend.status(opened)

        assert (status["delivery"], status["carriedBy"]) == ("sent", "SMS")

    async def test_only_to_a_method_that_the_account_has(self, world, phones, provider):
        provider.status = 400
        async with world.open_gateway(**phones, fallback={"SMS": "EMAIL"}) as frontend:
            opened = await frontend.authenticate("onlyphone", "x-pass-1", authType="SMS")
            status = await eventually_not(frontend, opened, "queued")

        assert status["delivery"] == "failed"
        assert not world.mailbox.mails

    async def test_nor_to_one_that_policy_does_not_allow(self, world, phones, provider):
        provider.status = 400
        policy = {"methods": ["SMS"]}
        async with world.open_gateway(**phones, method="SMS", policy=policy, fallback={"SMS": "EMAIL"}) as frontend:
            opened = await frontend.authenticate()
            status = await eventually_not(frontend, opened, "queued")

        assert status["delivery"] == "failed"
        assert not world.mailbox.mails

    async def test_a_method_that_the_account_does_not_have_is_skipped(self, world, phones, provider, events):
        provider.status = 400
        fallback = {"SMS": "EMAIL", "EMAIL": "PHONE VERIFICATION"}
        async with world.open_gateway(**phones, method="SMS", fallback=fallback) as frontend:
            opened = await frontend.authenticate("onlyphone", "x-pass-1")
            call = await provider.posted(2)
            won = await frontend.login(opened, code_of(call))

        assert call.path.endswith("/Calls.json")
        assert won.status == 200
        assert [event["by"] for event in events if event["event"] == "fallback.queued"] == ["PHONE VERIFICATION"]

    async def test_one_after_the_other_and_each_once(self, world, phones, provider):
        provider.status = 400
        world.mailbox.answers["RCPT"] = "550 5.1.1 no such user"
        fallback = {"SMS": "EMAIL", "EMAIL": "PHONE VERIFICATION"}
        async with world.open_gateway(**phones, method="SMS", fallback=fallback) as frontend:
            opened = await frontend.authenticate()
            await provider.posted(2)
            status = await eventually_not(frontend, opened, "queued")
            await asyncio.sleep(0.2)

        assert status["delivery"] == "failed"
        assert [post.path.rpartition("/")[2] for post in provider.posts] == ["Messages.json", "Calls.json"]
        assert len({code_of(post) for post in provider.posts}) == 1

    async def test_both_have_to_fail_before_a_call(self, world, phones, provider):
        world.mailbox.answers["RCPT"] = "550 5.1.1 no such user"
        fallback = {"SMS AND EMAIL": "PHONE VERIFICATION"}
        async with world.open_gateway(**phones, method="SMS AND EMAIL", fallback=fallback) as frontend:
            half = await frontend.authenticate()
            await told(frontend, half, "SMS")
            await asyncio.sleep(0.2)
            texts = len(provider.posts)
            provider.status = 400
            both = await frontend.authenticate()
            await provider.posted(texts + 2)

        assert texts == 1
        assert [post.path.rpartition("/")[2] for post in provider.posts[1:]] == ["Messages.json", "Calls.json"]
        assert both["authType"] == "SMS AND EMAIL"

    async def test_the_limits_on_messages_count_it(self, world, phones, provider, events):
        provider.status = 400
        changed = phones | {"flood": phones["flood"] | {"mail": {"most": 1, "seconds": 900}}}
        async with world.open_gateway(**changed, method="SMS", fallback={"SMS": "EMAIL"}) as frontend:
            first = await frontend.authenticate()
            await told(frontend, first, "EMAIL")
            second = await frontend.authenticate()
            status = await eventually_not(frontend, second, "queued")

        assert status["delivery"] == "failed"
        assert len(world.mailbox.mails) == 1
        assert {event["reason"] for event in events if event["event"] == "fallback.refused"} == {"flood.mail"}

    async def test_a_text_message_that_the_limits_refuse_is_not_sent_as_a_mail_either(
        self, world, phones, provider, events
    ):
        changed = phones | {"flood": phones["flood"] | {"phone": {"most": 1, "seconds": 900}}}
        async with world.open_gateway(**changed, method="SMS", fallback={"SMS": "EMAIL"}) as frontend:
            await frontend.authenticate()
            await provider.posted()
            refused = await frontend.authenticate()
            await asyncio.sleep(0.3)

        assert (refused.status, refused.code) == (429, "flood")
        assert len(provider.posts) == 1
        assert not world.mailbox.mails
        assert not [event for event in events if event["event"].startswith("fallback.")]

    async def test_a_login_that_is_over_is_not_sent_another_way(self, world, phones, provider, events):
        provider.status = 503
        async with world.open_gateway(**phones, method="SMS", fallback={"SMS": "EMAIL"}) as frontend:
            opened = await frontend.authenticate()
            await provider.posted()
            await frontend.cancel(opened)
            await world.eventually(lambda: any(event["event"] == "courier.too_late" for event in events))
            await asyncio.sleep(0.1)

        assert not world.mailbox.mails
        assert not [event for event in events if event["event"].startswith("fallback.")]

    async def test_a_resend_is_not_answered_by_the_fallback_of_what_it_replaces(self, world, phones, provider):
        provider.status = 503
        async with world.open_gateway(**phones, method="SMS", fallback={"SMS": "EMAIL"}) as frontend:
            opened = await frontend.authenticate()
            await provider.posted()
            again = await frontend.resend(opened, switchTo="PHONE VERIFICATION")
            provider.status = 400
            await world.eventually(lambda: any(post.path.endswith("Calls.json") for post in provider.posts))
            await asyncio.sleep(0.3)

        assert again["authType"] == "PHONE VERIFICATION"
        assert not world.mailbox.mails


async def told(frontend, opened, method):
    """Wait until the status says that *method* has carried the code, and return it."""
    async with asyncio.timeout(10):
        while (status := await frontend.status(opened)).body.get("carriedBy") != method:
            await asyncio.sleep(0.02)
    return status
