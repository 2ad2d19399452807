"""aiohttp's server with our own last word: whatever it would answer by itself becomes our JSON.

aiohttp answers malformed HTTP with text/plain that echoes the bytes, and logs them; both are replaced here, at the
one place that every answer passes (promise 13).
"""

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.logs import where
from gateway.web.answers import refused_by_http
from gateway.web.middleware import own, sign

log = structlog.get_logger()

# Frontends and ingresses keep connections; longer than nginx's 60 s, so that they close first.
KEEP_ALIVE_SECONDS = 75.0
HEADER_BYTES = 8190
# A body that nobody will read any more is drained for this long, so that the client sees the answer.
LINGER_SECONDS = 2.0


class Connection(RequestHandler):
    """One client's connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed or was raised outside of every handler; close the connection."""
        del message  # It quotes what was sent.
        if status >= web.HTTPInternalServerError.status_code and exc is not None:
            log.error("http.internal", error=type(exc).__name__, where=where(exc))
        else:
            log.info("http.malformed", status=status)
        if request.writer.output_size > 0:
            raise ConnectionError("answered already")
        response = refused_by_http(status)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if not resp.prepared:
            closing = resp.keep_alive is False
            resp = sign(request, own(resp))
            if closing:
                resp.force_close()
        return await super().finish_response(request, resp, start_time)


class Server(web.Server):
    """Makes our connections."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application behind our server."""

    def __init__(self, app: web.Application, *, shutdown_seconds: float) -> None:
        super().__init__(
            app,
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
            shutdown_timeout=shutdown_seconds,
        )

    async def _make_server(self) -> web.Server:
        # aiohttp offers no other way to replace the connection of an application's server.
        server = await super()._make_server()
        server.__class__ = Server
        return server
