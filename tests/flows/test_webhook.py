"""The webhook: what should not wait for somebody to read logs is posted, signed, and holds nothing up."""

import asyncio
import base64
import hashlib
import hmac
import json

import pytest
from aiohttp import web

from tests.world import wrong

SECRET = b"a webhook secret of 32 bytes ..."


@pytest.fixture
def store():
    return {"kind": "memory"}


@pytest.fixture
async def receiver():
    """The operator's service; it refuses the first post."""
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


async def test_a_locked_account_is_told_signed_and_again_after_a_refusal(world, receiver):
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
