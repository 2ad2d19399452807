"""One request of the proxy on one connection, and its answer: `upstream.UpstreamAnswer`.

Bodies pass through in pieces, and only a buffer (`BUFFER_BYTES`) of them is held here. So a side that does not read
makes the other side wait.
"""

import asyncio
from typing import cast

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from gateway.drupal.connections import StrictConnection
from gateway.drupal.peer import HEADER_BYTES, MOST_HEADERS, UNREADABLE
from gateway.errors import DrupalInvalid, DrupalTimeout, DrupalUnavailable
from gateway.interfaces.upstream import Body, Headers

BUFFER_BYTES = 128 * 1024
CONTINUE, SWITCHING_PROTOCOLS, OK = 100, 101, 200


class Exchange:
    """Created on a connection that is its own until `finish`."""

    def __init__(
        self, connection: Connection, *, skips_body: bool, first_byte_seconds: float, idle_seconds: float
    ) -> None:
        self._connection = connection
        self._protocol = cast("StrictConnection", connection.protocol)
        self._writer = StreamWriter(self._protocol, asyncio.get_running_loop())
        self._payload: StreamReader = EMPTY_PAYLOAD
        self._body: Body | None = None
        self._upload: asyncio.Task[None] | None = None
        # What ended the upload before its end.
        self._failure: BaseException | None = None
        self._idle_seconds = idle_seconds
        self.status = 0
        self.reason = ""
        self.headers: Headers = ()
        self._protocol.set_response_params(
            skip_payload=skips_body,
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=first_byte_seconds,
            read_bufsize=BUFFER_BYTES,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=MOST_HEADERS,
        )

    @property
    def upgraded(self) -> bool:
        return self.status == SWITCHING_PROTOCOLS

    def send(self, head: bytes, body: Body | None) -> None:
        """Send the head now. A task sends the body while the caller waits for the answer."""
        transport = self._protocol.transport
        if transport is None:
            raise DrupalUnavailable("closed")
        transport.write(head)
        if body is None:
            self._protocol.start_timeout()
        else:
            self._body = body
            self._upload = asyncio.create_task(self._send_body(body))

    async def head(self) -> None:
        """Wait for the head of the answer."""
        try:
            while True:
                message, self._payload = await self._protocol.read()
                if message.code >= OK or message.code == SWITCHING_PROTOCOLS:
                    break
                if message.code == CONTINUE and self._body is not None:
                    self._body.invite()
                if self._upload is None or self._upload.done():
                    # aiohttp ends its time-out at an interim answer (1xx), so the time-out is started again.
                    self._protocol.start_timeout()
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            if self._failure is not None:
                raise self._failure from None
            # `from None`: aiohttp's text may quote headers, which hold cookies.
            raise meaning_of(error) from None
        self.status = message.code
        self.reason = message.reason if message.reason.isascii() else as_latin(message.reason)
        self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.raw_headers]
        if self.upgraded:
            self._become_stream()
        self._limit_pauses()

    def read_nowait(self) -> bytes:
        return b"" if self._payload.exception() else self._payload.read_nowait()

    async def read(self) -> bytes:
        try:
            return await self._payload.readany()
        except aiohttp.SocketTimeoutError:
            raise DrupalTimeout("idle") from None
        except (aiohttp.ClientError, OSError):
            if self._failure is not None:
                raise self._failure from None
            raise DrupalInvalid("broken") from None

    async def write(self, data: bytes) -> None:
        await self._writer.write(data)

    def finish(self) -> None:
        """Give the connection back for the next request, or break it off if this one has not come to its end."""
        sent = self._upload is None or (self._upload.done() and self._failure is None)
        if self._upload is not None:
            self._upload.cancel()
        if self.status and sent and self._payload.is_eof() and not self.upgraded:
            self._connection.release()
        else:
            self._protocol.abort()
            self._connection.close()

    def found_dead(self) -> bool:
        """Whether the connection was kept from another request, and nothing came on it for this one."""
        return self._protocol.requests > 1 and not self._protocol.heard

    def _limit_pauses(self) -> None:
        """From now on, the wait for the next piece is limited."""
        self._protocol.read_timeout = self._idle_seconds
        if not self._payload.is_eof() and not self._protocol._reading_paused:  # noqa: SLF001  # aiohttp does not show it
            self._protocol.start_timeout()

    def _become_stream(self) -> None:
        """Turn the connection into bytes both ways, once HTTP is over on it."""
        self._payload = StreamReader(self._protocol, BUFFER_BYTES, loop=asyncio.get_running_loop())
        self._protocol.set_parser(Stream(self._payload), self._payload)

    async def _send_body(self, body: Body) -> None:
        try:
            while piece := await body.read():
                await self._send_piece(b"%x\r\n%b\r\n" % (len(piece), piece) if body.chunked else piece)
            if body.chunked:
                await self._send_piece(b"0\r\n\r\n")
        except DrupalUnavailable as error:
            # Drupal reads no more of the body. If it has answered already, the answer is still passed on.
            self._failure = error
        except Exception as error:  # noqa: BLE001  # whatever ends a body early is told to who waits for the answer
            self._failure = error
            # A request without its end must never look whole.
            self._protocol.abort()
        else:
            self._protocol.start_timeout()

    async def _send_piece(self, data: bytes) -> None:
        try:
            await self._writer.write(data, drain=False)
            if self._protocol.writing_paused:
                async with asyncio.timeout(self._idle_seconds):
                    await self._writer.drain()
        except TimeoutError:
            raise DrupalTimeout("upload") from None
        except (aiohttp.ClientError, OSError) as error:
            raise DrupalUnavailable(type(error).__name__) from None


class Stream:
    """Feeds a stream with what comes on a connection; aiohttp takes it for the parser of a WebSocket."""

    def __init__(self, stream: StreamReader) -> None:
        self._stream = stream

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._stream.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        self._stream.feed_eof()


def meaning_of(error: Exception) -> DrupalUnavailable | DrupalTimeout | DrupalInvalid:
    if isinstance(error, aiohttp.SocketTimeoutError):
        return DrupalTimeout("first_byte")
    if isinstance(error, (aiohttp.ClientConnectionError, OSError)):
        return DrupalUnavailable(type(error).__name__)
    return DrupalInvalid(UNREADABLE)


def as_latin(reason: str) -> str:
    """Return *reason*, which aiohttp has read as UTF-8, with one character for each of its bytes."""
    return reason.encode("utf-8", "surrogateescape").decode("latin-1")
