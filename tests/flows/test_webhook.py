"""The webhook posts urgent events with a signature, and delays nothing."""

import asyncio
import base64
import hashlib
import hmac
import json

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from structlog.testing import capture_logs

from gateway.telemetry import event_webhook
from gateway.telemetry.event_webhook import EventWebhook, EventWebhookOptions
from tests.world import wrong

SECRET = b"a webhook secret of 32 bytes ..."


@pytest.fixture
def store():
    return {"kind": "memory"}


@pytest.fixture
async def receiver():
    """The operator's service, which refuses the first post."""
    posts = asyncio.Queue()
    answers = iter([503])
    app = web.Application()

    async def take(request: web.Request) -> web.Response:
        await posts.put((dict(request.headers), await request.read()))
        return web.Response(status=next(answers, 204))

    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook", posts
    await runner.cleanup()


@pytest.mark.parametrize("host", ["x" * 64 + ".example.org", "a..example.org", "127.0.0.1:1"])
async def test_an_invalid_host_loses_its_event_and_the_next_event_is_posted(receiver, monkeypatch, host):
    url, posts = receiver
    monkeypatch.setattr(event_webhook, "TRIES_AFTER_SECONDS", (0, 0))
    secret = SecretStr("whsec_" + base64.b64encode(SECRET).decode())
    async with aiohttp.ClientSession() as http:
        hook = EventWebhook(http, EventWebhookOptions(url=f"http://{host}/", secret=secret))
        poster = asyncio.create_task(hook.run())
        with capture_logs() as events:
            hook(None, "warning", {"event": "lock.soft"})
            async with asyncio.timeout(5):
                while not events:
                    await asyncio.sleep(0.02)
        hook._options = hook._options.model_copy(update={"url": url})
        hook(None, "warning", {"event": "lock.hard"})

        assert [(event["event"], event["told"]) for event in events] == [("webhook.dropped", "lock.soft")]
        assert json.loads((await asyncio.wait_for(posts.get(), 5))[1])["type"] == "lock.hard"
        assert not poster.done()
        poster.cancel()


async def test_a_locked_account_is_posted_with_a_signature_and_again_after_a_refusal(world, receiver):
    url, posts = receiver
    secret = "whsec_" + base64.b64encode(SECRET).decode()
    async with world.open_gateway(webhook={"url": url, "secret": secret}) as frontend:
        for number in (1, 2):
            opened = await frontend.authenticate()
            for _ in range(5):
                await frontend.login(opened, wrong(await world.code(number)))

        tries = [await asyncio.wait_for(posts.get(), 5) for _ in range(2)]

    for headers, body in tries:
        told = json.loads(body)
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        signature = base64.b64encode(hmac.digest(SECRET, content, hashlib.sha256)).decode()
        assert (told["type"], told["data"]["uid"]) == ("lock.soft", "2")
        assert headers["webhook-signature"] == f"v1,{signature}"
        assert b"alice" not in body
    assert tries[0][0]["webhook-id"] == tries[1][0]["webhook-id"]
