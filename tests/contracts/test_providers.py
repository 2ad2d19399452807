"""Each provider of docs/channels.md, with the lines from that page, at a local peer that answers as the provider does."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import yaml
from pydantic import ValidationError

from gateway.delivery.channels import AppriseOptions, ChannelOptions, ChannelsOptions, VonageOptions
from gateway.errors import Delayed, Undeliverable
from gateway.interfaces import Text
from tests.http_peer import PROVIDERS, HttpPeer, Post, http_peer, move

PAGE = (Path(__file__).parents[2] / "docs" / "channels.md").read_text(encoding="utf-8")
NUMBER = "+4915112345678"
PLAIN = "Geben Sie diesen Code ein: 012345 & nichts sonst – höchstens 5 Minuten lang.\n@www.example.org #012345\n"
# What an operator has of each; AWS draws its secrets with slashes and plus signs.
KEYS = {
    "ACCOUNT_SID": "AC" + "0a" * 16,
    "AUTH_TOKEN": "f" * 32,
    "API_KEY": "abcDEF01",
    "API_SECRET": "0123456789ABCdef",
    "ACCESS_KEY": "aB3" * 8 + "z",
    "SERVICE_PLAN_ID": "a1" * 16,
    "API_TOKEN": "b2" * 16,
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "/wJalrXUtn+FEMI//K7MDENG/bPxRfiCYEXAMPLE/",
}


async def written() -> Text:
    return Text(subject="Code", plain=PLAIN)


def block_of(provider: str, kind: str = "sh") -> str:
    """The first block of *kind* below the provider's name."""
    return re.search(rf"^\*\*{provider}\*\*.*?```{kind}\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)[1]


def options_of(provider: str, secrets: Path, channel: str) -> ChannelOptions:
    """What the provider's block says of *channel*; the block of Twilio serves all that are used by apprise."""
    block = block_of("Vonage" if provider == "Vonage" else "Twilio", "yaml").replace("/run/secrets", str(secrets))
    return getattr(ChannelsOptions.model_validate(yaml.safe_load(block)["channels"]), channel)


def basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def is_signed(post: Post) -> bool:
    """Whether AWS would take the signature: version 4, made here from the documented steps."""
    headers = post.headers | {"host": "sns.eu-central-1.amazonaws.com"}
    given = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=(\S+?)/(\S+), SignedHeaders=(\S+), Signature=(\w+)", headers["authorization"]
    )
    key_id, scope, names, signature = given.groups()
    told = "".join(f"{name}:{headers[name]}\n" for name in names.split(";"))
    request = "\n".join(("POST", "/", "", told, names, hashlib.sha256(post.body).hexdigest()))
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{KEYS['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    to_sign = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"
    right = hmac.digest(key, to_sign.encode(), hashlib.sha256).hex()
    return (key_id, signature) == (KEYS["AWS_ACCESS_KEY_ID"], right)


def form_of(post: Post) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(post.body.decode(), strict_parsing=True).items()}


@dataclass(frozen=True, kw_only=True)
class Provider:
    """*taken* is what it answers to a message it takes; *heard* is who was told what, and *knows* by whom."""

    name: str
    taken: tuple[int, str]
    heard: Callable[[Post], tuple[str, str]]
    knows: Callable[[Post], bool]


def vonage_says(*statuses: object) -> str:
    """The answer to a message of so many parts."""
    parts = [
        {"to": "4915112345678", "message-id": "0A0000000123ABCD1", "status": status, "remaining-balance": "3.14"}
        if status == "0"
        else {"status": status, "error-text": f"no, not to {NUMBER}"}
        for status in statuses
    ]
    return json.dumps({"message-count": str(len(parts)), "messages": parts})


def aws_says(code: str, message: str = "Rate exceeded") -> str:
    return (
        '<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    )


def bird_says(code: int, description: str) -> str:
    return json.dumps({"errors": [{"code": code, "description": description, "parameter": "recipient"}]})


TWILIO = Provider(
    name="Twilio",
    taken=(201, json.dumps({"sid": "SM1", "status": "queued", "error_code": None})),
    heard=lambda post: (form_of(post)["To"], form_of(post)["Body"]),
    knows=lambda post: (
        post.headers["authorization"] == basic(KEYS["ACCOUNT_SID"], KEYS["AUTH_TOKEN"])
        and form_of(post)["From"] == "+12025550100"
        and post.path == f"/2010-04-01/Accounts/{KEYS['ACCOUNT_SID']}/Messages.json"
    ),
)
VONAGE = Provider(
    name="Vonage",
    taken=(200, vonage_says("0")),
    # E.164 without the plus, as Vonage writes it.
    heard=lambda post: ("+" + form_of(post)["to"], form_of(post)["text"]),
    knows=lambda post: (
        (form_of(post)["api_key"], form_of(post)["api_secret"]) == (KEYS["API_KEY"], KEYS["API_SECRET"])
        and form_of(post)["from"] == "12025550100"
        and post.path == "/sms/json"
    ),
)
MESSAGEBIRD = Provider(
    name="MessageBird",
    taken=(201, json.dumps({"id": "b5d4", "recipients": {"totalCount": 1, "totalSentCount": 1}})),
    heard=lambda post: (form_of(post)["recipients"], form_of(post)["body"]),
    knows=lambda post: (
        post.headers["authorization"] == f"AccessKey {KEYS['ACCESS_KEY']}"
        and form_of(post)["originator"] == "+12025550100"
        and post.path == "/messages"
    ),
)
SINCH = Provider(
    name="Sinch",
    taken=(201, json.dumps({"id": "CJloRJOe3MtDITqx", "to": ["4915112345678"], "canceled": False})),
    heard=lambda post: (*json.loads(post.body)["to"], json.loads(post.body)["body"]),
    knows=lambda post: (
        post.headers["authorization"] == f"Bearer {KEYS['API_TOKEN']}"
        and json.loads(post.body)["from"] == "+12025550100"
        and post.path == f"/xms/v1/{KEYS['SERVICE_PLAN_ID']}/batches"
    ),
)
SNS = Provider(
    name="AWS SNS",
    taken=(
        200,
        '<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>',
    ),
    heard=lambda post: (form_of(post)["PhoneNumber"], form_of(post)["Message"]),
    knows=lambda post: is_signed(post) and form_of(post)["Action"] == "Publish",
)
ALL = (TWILIO, VONAGE, MESSAGEBIRD, SINCH, SNS)
REFUSALS = [
    (TWILIO, 400, '{"code": 21211, "message": "Invalid To", "status": 400}', Undeliverable, "http_400"),
    (TWILIO, 401, '{"code": 20003, "message": "Authenticate", "status": 401}', Undeliverable, "http_401"),
    (TWILIO, 429, '{"code": 20429, "message": "Too Many Requests", "status": 429}', Delayed, "http_429"),
    *((VONAGE, 200, vonage_says(str(code)), Undeliverable, f"vonage_{code}") for code in (2, 4, 6, 7, 9, 15, 29)),
    *((VONAGE, 200, vonage_says(str(code)), Delayed, f"vonage_{code}") for code in (1, 5, 10)),
    (VONAGE, 200, vonage_says("0", "7"), Undeliverable, "vonage_7"),
    (VONAGE, 200, vonage_says("0", "1"), Delayed, "vonage_1"),
    (VONAGE, 200, vonage_says("1", "9"), Undeliverable, "vonage_9"),
    *((VONAGE, 200, body, Undeliverable, "refused") for body in ("", "<html>", "[]", "{}", "[" * 9999)),
    *((VONAGE, 200, f'{{"messages": {parts}}}', Undeliverable, "refused") for parts in ("[]", '"0"', "[{}]")),
    (VONAGE, 200, vonage_says(NUMBER), Undeliverable, "refused"),
    (VONAGE, 429, "", Delayed, "http_429"),
    (VONAGE, 503, "", Delayed, "http_503"),
    (MESSAGEBIRD, 401, bird_says(2, "Request not allowed (incorrect access_key)"), Undeliverable, "http_401"),
    (MESSAGEBIRD, 422, bird_says(9, "no (correct) recipients found"), Undeliverable, "http_422"),
    (MESSAGEBIRD, 429, bird_says(1, "too many requests"), Delayed, "http_429"),
    (MESSAGEBIRD, 500, bird_says(99, "Internal error"), Delayed, "http_500"),
    (SINCH, 400, '{"code": "syntax_invalid_parameter_format", "text": "MSISDN"}', Undeliverable, "http_400"),
    (SINCH, 403, '{"code": "blocked_account", "text": "Blocked"}', Undeliverable, "http_403"),
    (SINCH, 429, "", Delayed, "http_429"),
    (SINCH, 500, "", Delayed, "http_500"),
    (SNS, 400, aws_says("InvalidParameter", "Invalid parameter: PhoneNumber"), Undeliverable, "http_400"),
    (SNS, 403, aws_says("SignatureDoesNotMatch"), Undeliverable, "http_403"),
    # As the page says: nothing but the body tells it from a refusal.
    (SNS, 400, aws_says("Throttling"), Undeliverable, "http_400"),
    (SNS, 500, aws_says("InternalError"), Delayed, "http_500"),
    (SNS, 503, aws_says("ServiceUnavailable"), Delayed, "http_503"),
]
NAMES = [f"{provider.name} {status} {reason}" for provider, status, _, _, reason in REFUSALS]


@pytest.fixture
async def peer():
    async with http_peer() as peer:
        yield peer


@pytest.fixture
def opened(monkeypatch, peer, tmp_path):
    """Opens the channel of a provider by its lines in the page, with the provider at the peer."""

    def open_it(provider: Provider, *, channel: str = "sms", seconds: float = 1, at_once: int = 8):
        (tmp_path / "secrets").mkdir()
        subprocess.run(["sh", "-euc", block_of(provider.name)], cwd=tmp_path, env=KEYS, check=True, timeout=10)
        move(monkeypatch, provider.name, peer.url)
        peer.status, peer.answer = provider.taken
        for other in {"sms-url", "voice-url", "whatsapp-url"} - {
            path.name for path in (tmp_path / "secrets").iterdir()
        }:
            (tmp_path / "secrets" / other).write_text("json://127.0.0.1/?:to={to}")
        options = options_of(provider.name, tmp_path / "secrets", channel)
        most = "connections" if provider is VONAGE else "threads"
        return options.model_copy(update={"timeout_seconds": seconds, most: at_once}).open()

    return open_it


@pytest.mark.parametrize("provider", ALL, ids=lambda provider: provider.name)
class TestEach:
    async def test_number_and_text_arrive_as_they_are_and_by_the_account_that_the_page_names(
        self, opened, peer: HttpPeer, provider
    ):
        async with opened(provider) as channel:
            # A code that is asked for again is the same text to the same number.
            await channel.deliver(NUMBER, written, id="m1")
            await channel.deliver(NUMBER, written, id="m2")

        assert [provider.heard(post) for post in peer.posts] == [(NUMBER, PLAIN)] * 2
        assert all(provider.knows(post) for post in peer.posts)

    async def test_one_that_hangs_up_is_worth_another_try(self, opened, peer, provider):
        peer.drops = True
        async with opened(provider) as channel:
            with pytest.raises(Delayed) as delayed:
                await channel.deliver(NUMBER, written, id="m1")
            peer.drops = False
            await channel.deliver(NUMBER, written, id="m1")

        assert delayed.value.reason == "lost"
        assert provider.heard(peer.posts[-1]) == (NUMBER, PLAIN)

    @pytest.mark.parametrize("how", ["silent", "drips"])
    async def test_a_slow_one_is_given_up_and_worth_another_try(self, opened, peer, provider, how):
        setattr(peer, how, True)
        began = time.monotonic()
        async with opened(provider, seconds=0.3) as channel:
            with pytest.raises(Delayed) as delayed:
                await channel.deliver(NUMBER, written, id="m1")

        assert delayed.value.reason == "timeout"
        assert time.monotonic() - began < 3

    async def test_a_silent_one_has_its_slot_no_longer_than_it_is_waited_for(self, opened, peer, provider):
        peer.silent = True
        async with opened(provider, seconds=0.3, at_once=1) as channel:
            with pytest.raises(Delayed):
                await channel.deliver(NUMBER, written, id="m1")
            peer.silent = False
            await channel.deliver(NUMBER, written, id="m2")

        assert len(peer.posts) == 2

    async def test_no_redirect_is_followed(self, opened, peer, provider):
        async with opened(provider) as channel:
            peer.status, peer.headers = 307, {"Location": f"{peer.url}/elsewhere"}
            with pytest.raises(Delayed) as delayed:
                await channel.deliver(NUMBER, written, id="m1")

        assert delayed.value.reason == "http_307"
        assert len(peer.posts) == 1


@pytest.mark.parametrize(("provider", "status", "body", "kind", "reason"), REFUSALS, ids=NAMES)
async def test_what_a_provider_refuses_is_not_sent(opened, peer, provider, status, body, kind, reason):
    async with opened(provider) as channel:
        peer.status, peer.answer = status, body
        with pytest.raises((Delayed, Undeliverable)) as refused:
            await channel.deliver(NUMBER, written, id="m1")

    assert (refused.type, refused.value.reason) == (kind, reason)
    assert len(peer.posts) == 1


@pytest.mark.parametrize(
    ("plain", "kind"), [("Ihr Code: 012345 [€]\n", "text"), ("رمز الدخول: 012345", "unicode"), ("0–5", "unicode")]
)
async def test_vonage_is_told_which_alphabet_a_text_needs(opened, peer, plain, kind):
    async def text() -> Text:
        return Text(subject="Code", plain=plain)

    async with opened(VONAGE) as channel:
        await channel.deliver(NUMBER, text, id="m1")

    assert (form_of(peer.posts[0])["text"], form_of(peer.posts[0])["type"]) == (plain, kind)


@pytest.mark.parametrize(
    ("channel", "path", "to", "field"),
    [("voice", "Calls", NUMBER, "Twiml"), ("whatsapp", "Messages", f"whatsapp:{NUMBER}", "Body")],
)
async def test_twilio_calls_and_writes_by_whatsapp(opened, peer, channel, path, to, field):
    async with opened(TWILIO, channel=channel) as opened_channel:
        await opened_channel.deliver(NUMBER, written, id="m1")

    (post,) = peer.posts
    assert post.path == f"/2010-04-01/Accounts/{KEYS['ACCOUNT_SID']}/{path}.json"
    assert form_of(post)["To"] == to
    assert "Geben Sie diesen Code ein: 012345" in form_of(post)[field]


BY_APPRISE = [provider for provider in ALL if provider is not VONAGE]


@pytest.mark.parametrize("provider", BY_APPRISE, ids=lambda provider: provider.name)
async def test_apprise_takes_numbers_of_ten_to_fourteen_digits_and_sends_to_no_others(opened, peer, provider):
    async with opened(provider) as channel:
        for to in ("+376312345", "+123456789012345"):
            with pytest.raises(Undeliverable) as refused:
                await channel.deliver(to, written, id="m1")
            assert refused.value.reason == "number"
        for to in ("+4791234567", "+43123456789012"):
            await channel.deliver(to, written, id="m2")

    assert [provider.heard(post)[0] for post in peer.posts] == ["+4791234567", "+43123456789012"]


@pytest.mark.parametrize("to", ["+376312345", "+4791234567", "+123456789012345"])
async def test_vonage_takes_numbers_of_any_length(opened, peer, to):
    async with opened(VONAGE) as channel:
        await channel.deliver(to, written, id="m1")

    assert [VONAGE.heard(post)[0] for post in peer.posts] == [to]


@pytest.mark.parametrize("scheme", ["vonage", "nexmo", "Vonage", " NEXMO"])
def test_a_vonage_url_of_apprise_is_refused_and_the_sentence_names_the_kind_to_use(scheme):
    with pytest.raises(ValidationError, match="use `kind: vonage` instead") as refused:
        AppriseOptions(url=f"{scheme}://abcdef01:0123456789abcdef@12025550100/{{to}}")

    assert "0123456789abcdef" not in str(refused.value)


def test_vonage_is_refused_for_calls_and_whatsapp_as_it_sends_text_messages_only():
    given = {"kind": "vonage", "api_key": "abcDEF01", "api_secret": "0123456789ABCdef", "sender": "12025550100"}
    for channel in ("voice", "whatsapp"):
        with pytest.raises(ValidationError, match="vonage"):
            ChannelsOptions.model_validate({channel: given})

    assert isinstance(ChannelsOptions.model_validate({"sms": given}).sms, VonageOptions)


@pytest.mark.parametrize(
    ("given", "sender"),
    [
        ("12025550100", "12025550100"),
        ("+12025550100", "12025550100"),
        (12025550100, "12025550100"),
        ("Example", "Example"),
    ],
)
async def test_vonage_is_told_the_sender_as_it_writes_one(monkeypatch, peer, given, sender):
    move(monkeypatch, "Vonage", peer.url)
    peer.status, peer.answer = VONAGE.taken
    async with VonageOptions(api_key="k", api_secret="s", sender=given).open() as channel:
        await channel.deliver(NUMBER, written, id="m1")

    assert form_of(peer.posts[0])["from"] == sender


@pytest.mark.parametrize(
    "wrong",
    [{"api_key": ""}, {"api_secret": "secret 1"}, {"sender": ""}, {"sender": "An Example Site"}, {"sender": "Exämple"}],
)
def test_wrong_options_of_vonage_are_refused_without_being_echoed(wrong):
    with pytest.raises(ValidationError) as refused:
        VonageOptions(**{"api_key": "k", "api_secret": "s", "sender": "Example"} | wrong)

    assert "secret 1" not in str(refused.value)


def test_the_page_names_every_provider_that_is_tried_here():
    named = set(re.findall(r"^\*\*([\w ]+)\*\*", PAGE, re.MULTILINE))

    assert named == {provider.name for provider in ALL} == set(PROVIDERS)
