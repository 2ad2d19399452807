"""An HTTP service on loopback that answers as it is told: a provider of text messages, or an operator's own sender."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from tests.ports import free_port


@dataclass(frozen=True, kw_only=True)
class Post:
    path: str
    headers: dict[str, str]
    body: bytes
    form: dict[str, str]


@dataclass
class HttpPeer:
    """*status* and *answer* are what it says; *silent* says nothing, *drops* hangs up, *drips* never comes to an end."""

    port: int = 0
    status: int = 201
    answer: str = '{"sid": "SM1", "status": "queued"}'
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    drops: bool = False
    drips: bool = False
    posts: list[Post] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.posts.append(
            Post(
                path=request.path,
                headers={name.lower(): value for name, value in request.headers.items()},
                body=body,
                form={name: str(value) for name, value in (await request.post()).items()},
            )
        )
        if self.drops:
            request.transport.close()
        if self.silent:
            await asyncio.sleep(30)
        if self.drips:
            await self.drip(request)
        return web.Response(
            status=self.status, text=self.answer, headers={"Content-Type": "application/json"} | self.headers
        )

    async def drip(self, request: web.Request) -> None:
        request.transport.write(b"HTTP/1.1 201 Created\r\n")
        for number in range(300):
            await asyncio.sleep(0.1)
            request.transport.write(b"X-%d: x\r\n" % number)

    async def posted(self, number: int = 1) -> Post:
        """The post of that number, waited for."""
        async with asyncio.timeout(10):
            while len(self.posts) < number:
                await asyncio.sleep(0.01)
        return self.posts[number - 1]


@asynccontextmanager
async def http_peer() -> AsyncGenerator[HttpPeer]:
    peer = HttpPeer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", peer.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    peer.port = runner.addresses[0][1]
    try:
        yield peer
    finally:
        await runner.cleanup()


def nobody() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


# Where each provider is asked. SNS and Sinch: the region of docs/channels.md.
PROVIDERS = {
    "Twilio": "https://api.twilio.com/",
    "Vonage": "https://rest.nexmo.com/",
    "MessageBird": "https://rest.messagebird.com/",
    "AWS SNS": "https://sns.eu-central-1.amazonaws.com/",
    "Sinch": "https://eu.sms.api.sinch.com/",
}
SEND = HTTPAdapter.send


def move(monkeypatch: pytest.MonkeyPatch, provider: str, address: str) -> None:
    """Have *provider* be at *address*, and nobody else be reached."""

    def moved(adapter: HTTPAdapter, request: PreparedRequest, **how: object) -> Response:
        assert request.url.startswith(PROVIDERS[provider])
        request.url = request.url.replace(PROVIDERS[provider], f"{address}/", 1)
        return SEND(adapter, request, **how)

    monkeypatch.setattr(HTTPAdapter, "send", moved)
