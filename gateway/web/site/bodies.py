"""The body of a visitor's request, in pieces: `upstream.Body`."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from gateway.errors import Malformed
from gateway.web.http.statuses import TooLarge
from gateway.web.site.answers import invite


@dataclass(kw_only=True, slots=True)
class ReadBody:
    """A body that was read already: `upstream.Body`."""

    content: bytes = field(repr=False)
    chunked: bool = False

    def invite(self) -> None:
        """The visitor has sent the body already."""

    async def read(self) -> bytes:
        """Return the whole body, then nothing."""
        content, self.content = self.content, b""
        return content


async def read_whole(request: web.Request, *, most: int, idle_seconds: float) -> ReadBody:
    """Read a body of at most *most* bytes. Raises TooLarge, and Malformed as `RequestBody.read`."""
    body = RequestBody(request, idle_seconds=idle_seconds)
    body.invite_if_expected()
    content = b""
    while piece := await body.read():
        content += piece
        if len(content) > most:
            raise TooLarge
    return ReadBody(content=content, chunked=body.chunked)


class RequestBody:
    """Reads what the visitor sends. Gives up when nothing comes for *idle_seconds*."""

    def __init__(self, request: web.Request, *, idle_seconds: float) -> None:
        self._request = request
        self._content = request.content
        self._idle_seconds = idle_seconds
        self.chunked = "Content-Length" not in request.headers

    def invite(self) -> None:
        invite(self._request)

    def invite_if_expected(self) -> None:
        """If the visitor waits for permission to send the body (`Expect`), give it."""
        if "Expect" in self._request.headers:
            self.invite()

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
