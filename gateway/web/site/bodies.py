"""The body of a visitor's request, in pieces: `upstream.Body`."""

import asyncio

from aiohttp import web

from gateway.errors import Malformed
from gateway.web.site.answers import invite


class RequestBody:
    """Reads what the visitor sends. Gives up when nothing comes for *idle_seconds*."""

    def __init__(self, request: web.Request, *, idle_seconds: float) -> None:
        self._request = request
        self._content = request.content
        self._idle_seconds = idle_seconds
        self.chunked = "Content-Length" not in request.headers

    def invite(self) -> None:
        invite(self._request)

    async def read(self) -> bytes:
        try:
            if piece := self._content.read_nowait():
                return piece
            async with asyncio.timeout(self._idle_seconds):
                return await self._content.readany()
        except web.RequestPayloadError:
            # `from None`: aiohttp's text quotes the body.
            raise Malformed("body") from None
        except TimeoutError:
            raise Malformed("body_idle") from None
