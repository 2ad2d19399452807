"""Runs an application on our own kind of connection, with its limits."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import TypeAlias, cast

from aiohttp import web
from aiohttp.hdrs import METH_CONNECT
from aiohttp.web_protocol import RequestHandler

from gateway.web.http.app_keys import SITE
from gateway.web.http.connection_limit import ConnectionLimit
from gateway.web.http.connections import HEADER_BYTES, Connection

# Longer than nginx's 60 s, so that a proxy closes an idle connection before we do.
KEEP_ALIVE_SECONDS = 75.0
MOST_HEADERS = 100
# A refused request's body is read for this long, so that the client sees the answer.
LINGER_SECONDS = 2.0
# The only expectation that HTTP defines (RFC 9110 §10.1.1).
CONTINUE = "100-continue"
# Matched against the decoded path, so that `/%68eadless` is the API's, too.
API = re.compile(r"/headless(?:/|$)")
# How much of a body is read ahead for each connection. aiohttp stops reading at twice as much.
READ_AHEAD_BYTES = 128 * 1024


Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def dispatch(application: Handler, site: Handler | None, request: web.BaseRequest) -> web.StreamResponse:
    """Let *site* answer what is not under `/headless`, if there is one, and *application* everything else.

    A proxied page would spend a sixth of its time in aiohttp's router and middleware (measured). A request without a
    path is refused here: after a CONNECT, aiohttp would take the bytes of a tunnel for requests.
    """
    if request.method == METH_CONNECT or request.raw_path == "*":
        response = web.Response(status=HTTPStatus.BAD_REQUEST)
        response.force_close()
        return response
    # aiohttp makes every request by the application's own factory.
    request = cast("web.Request", request)
    if site is not None and not API.match(request.path):
        return await site(request)
    if request.headers.get("Expect", CONTINUE).lower() != CONTINUE:
        # aiohttp's answer would quote the header, which may not be text.
        return web.Response(status=HTTPStatus.EXPECTATION_FAILED)
    return await application(request)


class Server(web.Server):
    """Makes a `Connection` for each client."""

    connection_limit: ConnectionLimit | None = None

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, connection_limit=self.connection_limit, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on a `Server`. *connection_limit* None sets no limit."""

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
            read_bufsize=READ_AHEAD_BYTES,
            shutdown_timeout=shutdown_seconds,
        )
        self._connection_limit = connection_limit

    async def _make_server(self) -> web.Server:
        # aiohttp offers no other way to replace the connection of an application's server.
        server = await super()._make_server()
        server.__class__ = Server
        server.request_handler = partial(dispatch, server.request_handler, self.app.get(SITE))
        cast("Server", server).connection_limit = self._connection_limit
        return server
