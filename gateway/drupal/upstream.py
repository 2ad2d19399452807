"""The proxy's hop to Drupal: `upstream.Upstream`. Logins never use it, and it never uses their connections.

    slot of the bulkhead ─▶ connection ─▶ head ─▶ [body] ─▶ head of the answer ─▶ its body, piece by piece
                               ▲             │
                               └─ once more ─┘  a kept connection was dead; idempotent, no body

This uses the connector and the parser of aiohttp, and not its session: a session rewrites targets (`/a?` becomes `/a`),
encodes headers as UTF-8, and repeats requests by its own rule.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from pydantic import Field
from yarl import URL

from gateway.drupal.bulkhead import Bulkhead
from gateway.drupal.connections import StrictConnector
from gateway.drupal.exchange import Exchange
from gateway.drupal.headers import site_headers
from gateway.drupal.options import SiteOptions
from gateway.drupal.peer import subscriber_or_none
from gateway.errors import DrupalUnavailable
from gateway.interfaces.upstream import Body, Headers, UpstreamAnswer
from gateway.options import Options

# How long a request may wait for its turn.
QUEUE_SECONDS = 10
# RFC 9110 §9.2.2. TRACE never gets here.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class ProxyOptions(Options):
    """How the proxy uses Drupal. There is no limit on the whole time of a request: a download may take hours."""

    enabled: bool = False
    max_concurrent: int = Field(default=512, ge=4, le=100_000)
    connect_seconds: float = Field(default=5, gt=0, le=60)
    first_byte_seconds: float = Field(default=120, gt=0, le=3600)
    idle_seconds: float = Field(default=120, gt=0, le=3600)

    @asynccontextmanager
    async def open(self, site: SiteOptions) -> "AsyncGenerator[DrupalUpstream]":
        """Yield the hop to *site*."""
        connector = StrictConnector(keepalive_timeout=site.keep_alive_seconds)
        async with connector:
            yield DrupalUpstream(connector, self, site)


class DrupalUpstream:
    def __init__(self, connector: StrictConnector, options: ProxyOptions, site: SiteOptions) -> None:
        self._connector = connector
        self._options = options
        self._bulkhead = Bulkhead(options.max_concurrent, queue_seconds=QUEUE_SECONDS)
        self._timeout = aiohttp.ClientTimeout(sock_connect=options.connect_seconds)
        # This request is never sent. It only tells the connector where to connect to.
        self._where = ClientRequest("GET", URL(site.url), loop=asyncio.get_running_loop())
        ours = {name: value for name, value in site_headers(site.url, site.public_url).items() if name != "User-Agent"}
        self._site = "".join(f"{name}: {value}\r\n" for name, value in ours.items())
        self._site_lines = len(ours)

    def send(self, method: str, target: str, headers: Headers, body: Body | None, *, address: str) -> "Sending":
        return Sending(self, method, self._head(method, target, headers, address), body, subscriber_or_none(address))

    async def begin(self, sending: "Sending") -> Exchange:
        await self._bulkhead.enter(sending.network)
        try:
            return await self._exchange(sending.method, sending.head, sending.body)
        except BaseException:
            self._bulkhead.leave(sending.network)
            raise

    def end(self, sending: "Sending", exchange: Exchange) -> None:
        exchange.finish()
        self._bulkhead.leave(sending.network)

    def _head(self, method: str, target: str, headers: Headers, address: str) -> bytes:
        lines = [f"{name}: {value}\r\n" for name, value in headers]
        head = f"{method} {target} HTTP/1.1\r\n{self._site}X-Forwarded-For: {address}\r\n{''.join(lines)}\r\n"
        # Nothing that anybody put into a header may begin another one.
        expected = len(lines) + self._site_lines + 3
        if head.count("\n") != expected or head.count("\r") != expected:
            raise ValueError("a line break in a header")
        return head.encode("latin-1")

    async def _exchange(self, method: str, head: bytes, body: Body | None) -> Exchange:
        exchange = await self._begin(method, head, body)
        try:
            return await self._answered(exchange)
        except DrupalUnavailable:
            if body is not None or method not in IDEMPOTENT or not exchange.found_dead():
                raise
        return await self._answered(await self._begin(method, head, None))

    async def _begin(self, method: str, head: bytes, body: Body | None) -> Exchange:
        connection = await self._connect()
        exchange = Exchange(
            connection,
            skips_body=method == "HEAD",
            first_byte_seconds=self._options.first_byte_seconds,
            idle_seconds=self._options.idle_seconds,
        )
        try:
            exchange.send(head, body)
        except BaseException:
            exchange.finish()
            raise
        return exchange

    async def _answered(self, exchange: Exchange) -> Exchange:
        try:
            await exchange.head()
        except BaseException:
            exchange.finish()
            raise
        return exchange

    async def _connect(self) -> Connection:
        try:
            return await self._connector.connect(self._where, [], self._timeout)
        except TimeoutError:
            raise DrupalUnavailable("connect_timeout") from None
        except (aiohttp.ClientError, OSError) as error:
            raise DrupalUnavailable(type(error).__name__) from None


class Sending:
    """One request on its way. A class, since an `asynccontextmanager` would cost three times as much for each page."""

    __slots__ = ("_exchange", "_upstream", "body", "head", "method", "network")

    def __init__(self, upstream: DrupalUpstream, method: str, head: bytes, body: Body | None, network: str) -> None:
        self._upstream = upstream
        self.method = method
        self.head = head
        self.body = body
        self.network = network

    async def __aenter__(self) -> UpstreamAnswer:
        self._exchange = await self._upstream.begin(self)
        return self._exchange

    async def __aexit__(self, *_error: object) -> None:
        self._upstream.end(self, self._exchange)
