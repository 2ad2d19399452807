"""Which events are posted, and how they are signed."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager

import aiohttp
import pytest
import structlog
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from gateway.signing import signed, signing_key
from gateway.telemetry import event_webhook
from gateway.telemetry.event_webhook import (
    MOST_WAITING,
    TRIES_AFTER_SECONDS,
    URGENT_EVENTS,
    EventWebhook,
    EventWebhookOptions,
)

# The test vector of the Standard Webhooks libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
ID, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

URL = "https://hooks.example.org/headgate"
OPTIONS = EventWebhookOptions(url=URL, secret=SecretStr(SECRET))
LOCKED = {"event": "lock.soft", "level": "warning", "timestamp": "2026-11-24T00:00:00Z", "uid": "2"}


class Service:
    """The operator's service, in the place of the HTTP client. Gives the *answers*, and remembers each post."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.posts = []

    @asynccontextmanager
    async def post(self, url, *, data, headers, allow_redirects):
        assert not allow_redirects
        self.posts.append((url, data, headers))
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        yield type("Response", (), {"ok": answer < 400})()


@pytest.fixture
def waits(monkeypatch):
    """The seconds for which the webhook would sleep. It does not really sleep."""
    waits = []

    class Noted:
        def __getattr__(self, name):
            return getattr(asyncio, name)

        async def sleep(self, seconds):
            waits.append(seconds)
            await asyncio.sleep(0)

    monkeypatch.setattr(event_webhook, "asyncio", Noted())
    return waits


async def told(hook, *events):
    """Log the events, let them be posted, and return what was logged meanwhile."""
    for event in events:
        hook(None, "warning", event)
    poster = asyncio.create_task(hook.run())
    with capture_logs() as logs:
        for _ in range(200):
            await asyncio.wait([poster], timeout=0)
    poster.cancel()
    return logs


def test_a_message_is_signed_as_the_standard_has_it():
    headers = signed(BODY, id=ID, at=AT, key=signing_key(SECRET))

    assert headers == {
        "Content-Type": "application/json",
        "webhook-id": ID,
        "webhook-timestamp": str(AT),
        "webhook-signature": SIGNATURE,
    }


@pytest.mark.parametrize(
    "change", [{"body": BODY + b" "}, {"id": f"{ID}x"}, {"at": AT + 1}, {"key": b"another key of 24 bytes.."}], ids=str
)
def test_every_change_changes_the_signature(change):
    given = {"body": BODY, "id": ID, "at": AT, "key": signing_key(SECRET)} | change

    assert signed(given.pop("body"), **given)["webhook-signature"] != SIGNATURE


@pytest.mark.parametrize("length", [24, 32, 64])
def test_a_secret_has_24_to_64_bytes(length):
    options = EventWebhookOptions(url=URL, secret=SecretStr(f"whsec_{base64.b64encode(b'x' * length).decode()}"))

    assert signing_key(options.secret.get_secret_value()) == b"x" * length


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        SECRET.removeprefix("whsec_"),
        SECRET.upper(),
        f"whsec_{base64.b64encode(b'x' * 23).decode()}",
        f"whsec_{base64.b64encode(b'x' * 65).decode()}",
        "whsec_" + "!" * 32,
        f"{SECRET[:20]} {SECRET[20:]}",
        "whsec_" + "ü" * 32,
        f" {SECRET}",
    ],
)
def test_any_other_secret_is_refused_without_being_shown(secret):
    with pytest.raises(ValidationError) as refused:
        EventWebhookOptions(url=URL, secret=SecretStr(secret))

    assert "must be whsec_ and base64 of 24 to 64 bytes" in str(refused.value)
    assert len(secret) < 10 or secret not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000", "https://hooks.example.org/a/b?c=d"])
def test_an_address_is_http_or_https(url):
    assert EventWebhookOptions(url=url, secret=SecretStr(SECRET)).url == url


@pytest.mark.parametrize(
    "url", ["", "hooks.example.org", "ftp://x/", "file:///etc/passwd", "https://u:p@host/", "https://a b/"]
)
def test_any_other_address_is_refused(url):
    with pytest.raises(ValidationError):
        EventWebhookOptions(url=url, secret=SecretStr(SECRET))


def test_the_secret_does_not_show():
    assert SECRET not in repr(OPTIONS)


async def test_an_event_is_posted_with_its_fields_and_stays_as_it_is(waits):
    service = Service()
    hook = EventWebhook(service, OPTIONS)
    event = dict(LOCKED)

    assert hook(None, "warning", event) is event
    await told(hook)

    [(url, body, headers)] = service.posts
    document = json.loads(body)
    assert (url, event) == (URL, LOCKED)
    assert (document["type"], document["data"]) == ("lock.soft", {"uid": "2"})
    assert headers == signed(
        body,
        id=headers["webhook-id"],
        at=int(headers["webhook-timestamp"]),
        key=signing_key(OPTIONS.secret.get_secret_value()),
    )


@pytest.mark.parametrize("name", sorted(URGENT_EVENTS))
async def test_an_urgent_event_is_posted(waits, name):
    service = Service()
    await told(EventWebhook(service, OPTIONS), {"event": name})

    assert [json.loads(body)["type"] for _, body, _ in service.posts] == [name]


async def test_no_other_event_is_posted(waits):
    service = Service()
    await told(EventWebhook(service, OPTIONS), {"event": "login.wrong_otp"}, {"event": None}, {})

    assert service.posts == []


@pytest.mark.parametrize("failure", [500, 302 + 100, aiohttp.ClientError(), TimeoutError()], ids=repr)
async def test_a_failure_is_tried_again_under_the_same_id(waits, failure):
    service = Service(failure, failure, 204)
    logs = await told(EventWebhook(service, OPTIONS), LOCKED)

    assert len({headers["webhook-id"] for _, _, headers in service.posts}) == 1
    assert len({body for _, body, _ in service.posts}) == 1
    assert (waits, logs) == ([0, 1, 5], [])


async def test_after_four_tries_an_event_is_dropped_with_a_warning_and_the_next_is_posted(waits):
    service = Service(*[500] * len(TRIES_AFTER_SECONDS))
    logs = await told(EventWebhook(service, OPTIONS), LOCKED, LOCKED | {"event": "lock.hard"})

    assert [(log["event"], log["told"]) for log in logs] == [("webhook.dropped", "lock.soft")]
    assert json.loads(service.posts[-1][1])["type"] == "lock.hard"
    assert waits == [*TRIES_AFTER_SECONDS, 0]


async def test_the_queue_is_bounded_and_a_full_one_delays_nobody():
    hook = EventWebhook(Service(), OPTIONS)
    with capture_logs() as logs:
        for _ in range(MOST_WAITING + 3):
            hook(None, "warning", LOCKED)

    assert [log["event"] for log in logs] == ["webhook.dropped"] * 3


async def test_events_are_queued_only_while_it_is_open():
    before = structlog.get_config()["processors"]
    async with OPTIONS.open():
        during = structlog.get_config()["processors"]

    assert [type(one) for one in during if one not in before] == [EventWebhook]
    assert during[-1] is before[-1]
    assert structlog.get_config()["processors"] == before
