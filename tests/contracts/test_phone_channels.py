"""What reaches a phone: a provider by apprise, Vonage, and the operator's own sender, each at a local peer."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import re
import threading
import time

import pytest
from pydantic import SecretStr, ValidationError

from gateway.delivery.channels import AppriseOptions, ChannelsOptions, VonageOptions, WebhookOptions
from gateway.errors import Delayed, TooLate, Undeliverable
from gateway.interfaces import Text
from tests.contracts.channel_contract import WRITTEN, ChannelContract, written
from tests.http_peer import http_peer, move, nobody

NUMBER = "+4915112345678"
SID = "AC" + "0" * 32
TWILIO = f"twilio://{SID}:{'f' * 32}@+12025550100/{{to}}"
CALL = f"{TWILIO}?method=call"
WHATSAPP = f"twilio://{SID}:{'f' * 32}@12025550100/w:{{to}}"
KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NOW = 1_700_000_000.0
NOT_ONE_NUMBER = ["", "alice@example.test", "+1", "0151 12345678", "+4915112345678/+12025550177", "+x"]
CODE = Text(
    plain="Your code is: 012345\n", code="012345", language="de", channel="sms", expires_at=NOW + 300, subject="Code"
)


@pytest.fixture
async def peer():
    async with http_peer() as peer:
        yield peer


@pytest.fixture
def to():
    return NUMBER


@pytest.fixture
def twilio(monkeypatch, peer):
    move(monkeypatch, "Twilio", peer.url)


@pytest.fixture
async def channel(twilio):
    async with AppriseOptions(url=TWILIO, timeout_seconds=1).open() as channel:
        yield channel


def options_for(address, **options):
    return WebhookOptions(**{"url": f"{address}/send", "secret": SECRET, "timeout_seconds": 1} | options)


@pytest.fixture
async def vonage(monkeypatch, peer):
    move(monkeypatch, "Vonage", peer.url)
    peer.status, peer.answer = 200, json.dumps({"message-count": "1", "messages": [{"status": "0"}]})
    async with vonage_options().open() as channel:
        yield channel


def vonage_options(**options):
    return VonageOptions(
        **{"api_key": "abcDEF01", "api_secret": "f" * 16, "sender": "12025550100", "timeout_seconds": 1} | options
    )


@pytest.fixture
async def sender(peer):
    async with options_for(peer.url).open(clock=lambda: NOW) as channel:
        yield channel


class TestApprise(ChannelContract):
    @pytest.fixture
    def received(self, peer):
        return lambda: [post.form["Body"] for post in peer.posts]


class TestVonage(ChannelContract):
    @pytest.fixture
    def channel(self, vonage):
        return vonage

    @pytest.fixture
    def received(self, peer):
        return lambda: [post.form["text"] for post in peer.posts]


class TestWebhook(ChannelContract):
    @pytest.fixture
    def channel(self, sender):
        return sender

    @pytest.fixture
    def received(self, peer):
        return lambda: [json.loads(post.body)["text"] for post in peer.posts]


# What a peer answers to a message that it takes, by each kind.
TAKEN = json.dumps({"sid": "SM1", "status": "queued", "messages": [{"status": "0"}]})


class TestSlots:
    """A channel whose peer is silent must not take the places of the courier from the other channels."""

    @pytest.fixture(params=["apprise", "vonage", "webhook"])
    def options(self, request, monkeypatch, peer):
        match request.param:
            case "apprise":
                move(monkeypatch, "Twilio", peer.url)
                return AppriseOptions(url=TWILIO, timeout_seconds=5, threads=1)
            case "vonage":
                move(monkeypatch, "Vonage", peer.url)
                return vonage_options(timeout_seconds=5, connections=1)
        return options_for(peer.url, timeout_seconds=5, connections=1)

    async def test_a_message_that_waits_for_a_silent_peer_gives_up_its_place_soon(self, options, peer, to):
        peer.silent = True
        async with options.open() as channel:
            first = asyncio.create_task(channel.deliver(to, written, id="m1"))
            await peer.posted()
            began = time.monotonic()
            with pytest.raises(Delayed) as delayed:
                await channel.deliver(to, written, id="m2")
            first.cancel()

        assert delayed.value.reason == "busy"
        assert time.monotonic() - began < 2

    async def test_a_slot_is_given_back_whatever_happens(self, options, peer, to):
        async def too_late() -> Text:
            raise TooLate("ended")

        async with options.open() as channel:
            for number in range(3):
                peer.status = 400
                with pytest.raises(Undeliverable):
                    await channel.deliver(to, written, id=f"m{number}")
                peer.status, peer.answer = 200, TAKEN
                with pytest.raises(TooLate):
                    await channel.deliver(to, too_late, id=f"n{number}")
            await channel.deliver(to, written, id="m9")

        assert len(peer.posts) == 4


class Misbehaving:
    """What all of them do when the peer does not take a message. Subclasses give `channel`."""

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
    async def test_a_4xx_is_final(self, channel, peer, to, status):
        peer.status, peer.answer = status, json.dumps({"code": 21211, "message": f"{NUMBER} is not valid"})

        with pytest.raises(Undeliverable) as refused:
            await channel.deliver(to, written, id="m1")

        assert refused.value.reason == f"http_{status}"
        assert len(peer.posts) == 1

    @pytest.mark.parametrize("status", [302, 408, 425, 429, 500, 502, 503])
    async def test_a_passing_refusal_is_worth_another_try(self, channel, peer, to, status):
        peer.status, peer.headers = status, {"Location": f"{peer.url}/elsewhere"}

        with pytest.raises(Delayed) as delayed:
            await channel.deliver(to, written, id="m1")
        peer.status, peer.answer = 200, TAKEN
        await channel.deliver(to, written, id="m1")

        assert delayed.value.reason == f"http_{status}"
        assert len(peer.posts) == 2
        assert not any("elsewhere" in post.path for post in peer.posts)

    async def test_a_dropped_connection_is_worth_another_try(self, channel, peer, to):
        peer.drops = True
        with pytest.raises(Delayed) as delayed:
            await channel.deliver(to, written, id="m1")
        peer.drops = False
        await channel.deliver(to, written, id="m1")

        assert delayed.value.reason == "lost"

    @pytest.mark.parametrize("how", ["silent", "drips"])
    async def test_an_answer_that_does_not_end_is_given_up(self, channel, peer, to, how):
        setattr(peer, how, True)
        began = time.monotonic()

        with pytest.raises(Delayed) as delayed:
            await channel.deliver(to, written, id="m1")

        assert delayed.value.reason in ("timeout", "lost")
        assert time.monotonic() - began < 5

    async def test_no_reason_holds_the_number_or_what_the_peer_said(self, channel, peer, to):
        peer.status, peer.answer = 400, json.dumps({"message": f"{NUMBER} is a secret"})

        with pytest.raises(Undeliverable) as refused:
            await channel.deliver(to, written, id="m1")

        assert re.fullmatch(r"[a-z_0-9]+", refused.value.reason)
        assert NUMBER not in str(refused.value)


async def given_up_after_three(channel, to):
    """Check that one message is tried three times at a silent provider, and that the next is tried again."""
    refused = []
    for _ in range(3):
        with pytest.raises((Delayed, Undeliverable)) as given_up:
            await channel.deliver(to, written, id="m1")
        refused.append((given_up.type, given_up.value.reason))
    with pytest.raises(Delayed):
        await channel.deliver(to, written, id="m2")

    assert refused == [(Delayed, "timeout"), (Delayed, "timeout"), (Undeliverable, "timeout")]


class TestVonageWhenRefused(Misbehaving):
    @pytest.fixture
    def channel(self, vonage):
        return vonage

    async def test_a_provider_that_never_answers_is_given_one_message_three_times_and_no_more(
        self, monkeypatch, peer, to
    ):
        move(monkeypatch, "Vonage", peer.url)
        peer.silent = True
        async with vonage_options(timeout_seconds=0.2).open() as channel:
            await given_up_after_three(channel, to)

    async def test_nobody_listening_is_worth_another_try(self, monkeypatch, to):
        move(monkeypatch, "Vonage", nobody())
        async with vonage_options().open() as channel:
            with pytest.raises(Delayed) as delayed:
                await channel.deliver(to, written, id="m1")

        assert delayed.value.reason == "connect"

    @pytest.mark.parametrize("to", NOT_ONE_NUMBER)
    async def test_what_is_not_one_number_is_refused_before_the_provider_is_asked(self, channel, peer, to):
        with pytest.raises(Undeliverable) as refused:
            await channel.deliver(to, written, id="m1")

        assert refused.value.reason == "number"
        assert peer.posts == []

    async def test_the_proxy_of_the_environment_is_used(self, monkeypatch, channel, to):
        async with http_peer() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("NO_PROXY", "")
            monkeypatch.setenv("no_proxy", "")
            proxy.status, proxy.answer = 200, TAKEN
            await channel.deliver(to, written, id="m1")

        assert len(proxy.posts) == 1


class TestAppriseWhenRefused(Misbehaving):
    async def test_the_loop_goes_on_while_a_provider_is_silent(self, channel, peer, to):
        peer.silent = True
        turns = 0
        delivery = asyncio.create_task(channel.deliver(to, written, id="m1"))
        while not delivery.done() and turns < 30:
            await asyncio.sleep(0.01)
            turns += 1
        delivery.cancel()

        assert turns == 30

    @pytest.mark.alone
    async def test_threads_are_bounded_and_a_silent_provider_holds_only_its_own(self, twilio, peer, to):
        peer.silent = True
        async with AppriseOptions(url=TWILIO, timeout_seconds=0.5, threads=2).open() as channel:
            most = 0
            deliveries = [asyncio.create_task(channel.deliver(to, written, id=f"m{n}")) for n in range(8)]
            while not all(delivery.done() for delivery in deliveries):
                most = max(most, sum(thread.name == "apprise" for thread in threading.enumerate()))
                await asyncio.sleep(0.01)
            peer.silent = False
            await asyncio.sleep(0.1)
            await channel.deliver(to, written, id="m9")

        assert most == 2
        assert {type(delivery.exception()) for delivery in deliveries} == {Delayed}

    async def test_a_text_is_not_asked_for_while_all_threads_are_busy(self, twilio, peer, to):
        asked = []

        async def text() -> Text:
            asked.append(1)
            return WRITTEN

        peer.drips = True
        async with AppriseOptions(url=TWILIO, timeout_seconds=0.3, threads=1).open() as channel:
            with pytest.raises(Delayed) as given_up:
                await channel.deliver(to, written, id="m1")
            with pytest.raises(Delayed) as delayed:
                await channel.deliver(to, text, id="m2")

        assert (given_up.value.reason, delayed.value.reason) == ("timeout", "busy")
        assert asked == []

    async def test_a_provider_that_never_answers_is_given_one_message_three_times_and_no_more(self, twilio, peer, to):
        peer.silent = True
        async with AppriseOptions(url=TWILIO, timeout_seconds=0.2).open() as channel:
            await given_up_after_three(channel, to)

    async def test_no_thread_keeps_the_process_alive(self, channel, peer, to):
        peer.silent = True
        delivery = asyncio.create_task(channel.deliver(to, written, id="m1"))
        await peer.posted()

        assert [thread.daemon for thread in threading.enumerate() if thread.name == "apprise"] == [True]
        delivery.cancel()

    async def test_a_success_that_the_plugin_takes_for_a_refusal_is_final(self, channel, peer, to):
        peer.status = 202

        with pytest.raises(Undeliverable) as refused:
            await channel.deliver(to, written, id="m1")

        assert refused.value.reason == "refused"

    async def test_nobody_listening_is_worth_another_try(self, monkeypatch, channel, to):
        move(monkeypatch, "Twilio", nobody())

        with pytest.raises(Delayed) as delayed:
            await channel.deliver(to, written, id="m1")

        assert delayed.value.reason == "lost"

    @pytest.mark.parametrize("to", NOT_ONE_NUMBER)
    async def test_what_is_not_one_number_is_refused_before_the_provider_is_asked(self, channel, peer, to):
        with pytest.raises(Undeliverable) as refused:
            await channel.deliver(to, written, id="m1")

        assert refused.value.reason == "number"
        assert peer.posts == []

    async def test_no_log_line_holds_number_text_or_key(self, channel, peer, to, every_line, capfd):
        await channel.deliver(to, written, id="m1")
        peer.status = 400
        with pytest.raises(Undeliverable):
            await channel.deliver(to, written, id="m2")
        peer.drops = True
        with pytest.raises(Delayed):
            await channel.deliver(to, written, id="m3")

        assert [line for line in every_line if not line.startswith(("aiohttp", "asyncio"))] == []
        assert capfd.readouterr() == ("", "")

    @pytest.fixture
    def every_line(self):
        """Every line that a handler of the operator's would get, at the lowest level."""
        lines = []
        handler = logging.Handler()
        handler.emit = lambda record: lines.append(f"{record.name} {record.getMessage()}")
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        yield lines
        root.setLevel(level)
        root.removeHandler(handler)


class TestWebhookWhenRefused(Misbehaving):
    @pytest.fixture
    def channel(self, sender):
        return sender

    async def test_nobody_listening_is_worth_another_try(self, to):
        async with options_for(nobody()).open() as channel:
            with pytest.raises(Delayed) as delayed:
                await channel.deliver(to, written, id="m1")

        assert delayed.value.reason == "connect"

    async def test_the_environment_has_no_proxy_for_it(self, sender, peer, to, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", nobody())
        monkeypatch.setenv("http_proxy", nobody())

        await sender.deliver(to, written, id="m1")

        assert len(peer.posts) == 1


class TestWhatTwilioIsTold:
    async def test_a_text_message(self, channel, peer, to):
        await channel.deliver(to, written, id="m1")

        (post,) = peer.posts
        assert post.path == f"/2010-04-01/Accounts/{SID}/Messages.json"
        assert post.form == {"Body": WRITTEN.plain, "From": "+12025550100", "To": NUMBER}
        assert post.headers["authorization"].startswith("Basic ")

    async def test_a_call(self, twilio, peer, to):
        async with AppriseOptions(url=CALL).open() as channel:
            await channel.deliver(to, written, id="m1")

        (post,) = peer.posts
        assert post.path == f"/2010-04-01/Accounts/{SID}/Calls.json"
        assert post.form["To"] == NUMBER
        assert "<Say>" in post.form["Twiml"]
        assert "012345" in post.form["Twiml"]

    async def test_whatsapp(self, twilio, peer, to):
        async with AppriseOptions(url=WHATSAPP).open() as channel:
            await channel.deliver(to, written, id="m1")

        assert peer.posts[0].form["To"] == f"whatsapp:{NUMBER}"

    async def test_a_number_is_the_same_wherever_a_url_takes_it(self, peer, to):
        url = f"json://127.0.0.1:{peer.port}/?:to={{to}}"
        async with AppriseOptions(url=url).open() as channel:
            await channel.deliver(to, written, id="m1")

        assert json.loads(peer.posts[0].body)["to"] == NUMBER

    @pytest.mark.parametrize("plain", ["ü € 😀 \\n %s {to} :smile:", "x" * 700, "A\nB\r\nC"])
    async def test_the_text_as_it_is_and_once(self, channel, peer, to, plain):
        async def text() -> Text:
            return Text(plain=plain)

        await channel.deliver(to, text, id="m1")

        assert [post.form["Body"] for post in peer.posts] == [plain]


class TestWhatTheSenderIsTold:
    async def test_the_recipient_the_text_and_the_time_until_which_the_code_works(self, sender, peer, to):
        async def text() -> Text:
            return CODE

        await sender.deliver(to, text, id="m1")

        (post,) = peer.posts
        assert json.loads(post.body) == {
            "to": NUMBER,
            "channel": "sms",
            "code": "012345",
            "text": CODE.plain,
            "language": "de",
            "expires_at": "2023-11-14T22:18:20+00:00",
        }

    async def test_the_signature_is_that_of_standard_webhooks(self, sender, peer, to):
        await sender.deliver(to, written, id="m1")

        (post,) = peer.posts
        assert (post.headers["webhook-id"], post.headers["webhook-timestamp"]) == ("m1", str(int(NOW)))
        signature = hmac.digest(KEY, f"m1.{int(NOW)}.".encode() + post.body, hashlib.sha256)
        assert post.headers["webhook-signature"] == f"v1,{base64.b64encode(signature).decode()}"

    async def test_each_try_has_the_same_id(self, sender, peer, to):
        peer.status = 503
        for _ in range(2):
            with pytest.raises(Delayed):
                await sender.deliver(to, written, id="m1")

        assert [post.headers["webhook-id"] for post in peer.posts] == ["m1", "m1"]

    async def test_no_cookie_of_it_is_sent_back(self, sender, peer, to):
        peer.headers = {"Set-Cookie": "seen=1"}
        for number in range(2):
            await sender.deliver(to, written, id=f"m{number}")

        assert all("cookie" not in post.headers for post in peer.posts)


class TestOptions:
    @pytest.mark.parametrize(
        "url",
        [
            TWILIO,
            CALL,
            WHATSAPP,
            "sns://AKIAIOSFODNN7EXAMPLE/wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY/eu-central-1/{to}",
            "sinch://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb@12025550100/{to}",
            "msgbird://aaaaaaaaaaaaaaaaaaaaaaaaa/12025550100/{to}",
        ],
    )
    def test_providers_are_known(self, url):
        assert AppriseOptions(url=url).url.get_secret_value() == url

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "nonsense",
            "unknown://key:secret-1@host/{to}",
            "twilio://AC1:secret-1@+12025550100/+12025550101",
            f"twilio://{SID}:secret-1!@+12025550100/{{to}}",
            f"{TWILIO}/+12025550101",
            f"twilio://{SID}:{'f' * 32}@+12025550100?tag={{to}}",
            "twilio://{to}",
        ],
    )
    def test_a_url_that_can_not_be_used_is_refused_without_being_echoed(self, url):
        with pytest.raises(ValidationError) as refused:
            AppriseOptions(url=url)

        assert "secret-1" not in str(refused.value)
        assert SID not in str(refused.value)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"url": "ftp://sender.example.org/secret-1"},
            {"url": "https://name:secret-1@sender.example.org/"},
            {"url": "https://sender.example.org:secret-1/"},
            {"secret": "whsec_c2VjcmV0LTE="},
            {"secret": "secret-1"},
        ],
    )
    def test_a_wrong_sender_is_refused_without_being_echoed(self, wrong):
        with pytest.raises(ValidationError) as refused:
            options_for("https://sender.example.org", **wrong)

        assert "secret-1" not in str(refused.value)

    def test_secrets_are_never_shown(self):
        shown = repr(AppriseOptions(url=TWILIO)) + repr(options_for("https://sender.example.org/hook-secret"))
        shown += repr(vonage_options())

        assert all(secret not in shown for secret in ("f" * 16, SID, "hook-secret", SECRET, "abcDEF01"))

    def test_a_url_may_come_from_a_file(self, tmp_path):
        (tmp_path / "url").write_text(f"{TWILIO}\n")

        options = ChannelsOptions.model_validate({"sms": {"url_file": str(tmp_path / "url")}})

        assert isinstance(options.sms, AppriseOptions)
        assert options.sms.url == SecretStr(TWILIO)

    def test_smtp_is_for_mail_only_and_apprise_is_not(self):
        for name, kind in (("sms", "smtp"), ("email", "apprise")):
            with pytest.raises(ValidationError):
                ChannelsOptions.model_validate({name: {"kind": kind}})
