"""Runs an application on our own connections, with the limits that they need."""

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.web.http.connections import HEADER_BYTES, Connection, ConnectionLimit

# Frontends and ingresses keep connections; longer than nginx's 60 s, so that they close first.
KEEP_ALIVE_SECONDS = 75.0
MOST_HEADERS = 100
# A body that nobody will read any more is drained for this long, so that the client sees the answer.
LINGER_SECONDS = 2.0
# The one expectation that there is.
CONTINUE = "100-continue"


async def expecting(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], request: web.BaseRequest
) -> web.StreamResponse:
    """Refuse an unknown expectation (RFC 9110 §10.1.1) before aiohttp does: it quotes the header, text or not."""
    if request.headers.get("Expect", CONTINUE).lower() != CONTINUE:
        return web.Response(status=HTTPStatus.EXPECTATION_FAILED)
    return await handle(request)


class Server(web.Server):
    """Makes our connections."""

    connection_limit: ConnectionLimit | None = None

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, connection_limit=self.connection_limit, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application behind our server; *connection_limit* None sets no limit."""

    __slots__ = ("_connection_limit",)

    def __init__(
        self, app: web.Application, *, shutdown_seconds: float, connection_limit: ConnectionLimit | None = None
    ) -> None:
        super().__init__(
            app,
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=MOST_HEADERS,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
            shutdown_timeout=shutdown_seconds,
        )
        self._connection_limit = connection_limit

    async def _make_server(self) -> web.Server:
        # aiohttp offers no other way to replace the connection of an application's server.
        server = await super()._make_server()
        server.__class__ = Server
        server.request_handler = partial(expecting, server.request_handler)
        cast("Server", server).connection_limit = self._connection_limit
        return server
