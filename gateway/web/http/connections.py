"""A client's connection, bounded in bytes, requests and time (promise 13).

aiohttp answers malformed HTTP with text/plain that repeats the bytes that came, and logs them. Both are replaced here,
in `handle_error` and `finish_response`: every answer passes `finish_response`.
"""

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage, WebSocketReader
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler

from gateway.errors import drop_tracebacks
from gateway.telemetry.log_setup import where
from gateway.web.http.client_ip import canonical
from gateway.web.http.connection_limit import ConnectionLimit
from gateway.web.http.error_answers import refused_by_http
from gateway.web.http.middleware import as_json, stamp

log = structlog.get_logger()

HEADER_BYTES = 8190
# The most bytes for all headers together, as in nginx. A hundred of the longest headers would take 1.5 MB for each
# connection (measured).
HEAD_BYTES = 4 * HEADER_BYTES
# How many bytes are parsed at once. If a piece holds more than one request, the bytes after the first are counted with
# the next piece.
PIECE_BYTES = HEADER_BYTES
# The same within a body in chunks. Of a body of known length, all that is missing is parsed at once.
CHUNKED_PIECE_BYTES = 4 * PIECE_BYTES
# How long the head of the first request may take.
HEAD_SECONDS = 15.0
# A client that reads nothing of an answer for this long is disconnected.
UNREAD_SECONDS = 30.0
# How many requests of one connection may wait. Browsers and proxies send the next one once they have their answer.
MOST_WAITING = 8
# To linger for 0 s: what was not sent is dropped.
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
# How long the kernel may take to accept the last byte of an answer.
WRITE_SECONDS = 10


class Connection(RequestHandler):
    """One client's connection. *broken* says that the connection was lost before the client had received everything.

    *when_lost* is called when the connection is gone. aiohttp itself lets a handler go on for a client that has left.
    """

    __slots__ = (
        "_answered",
        "_body",
        "_body_bytes",
        "_connection_limit",
        "_deaf",
        "_head_bytes",
        "_head_timer",
        "_wire",
        "broken",
        "when_lost",
    )

    def __init__(self, *args: Any, connection_limit: ConnectionLimit | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connection_limit = connection_limit
        self._answered = 0
        # aiohttp drops its reference to a transport that it closes, but the client may not have read everything yet.
        self._wire: asyncio.WriteTransport | None = None
        # The last request: how many bytes came that are not part of its body, and the body itself.
        self._head_bytes = 0
        self._body = EMPTY_PAYLOAD
        # The whole length of that body, if it is known.
        self._body_bytes: int | None = None
        # Nothing that follows malformed HTTP is parsed.
        self._deaf = False
        self._head_timer: asyncio.TimerHandle | None = None
        self.broken = False
        self.when_lost: Callable[[], object] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wire = cast("asyncio.WriteTransport", transport)
        peer = transport.get_extra_info("peername")
        address = canonical(str(peer[0])) or "" if isinstance(peer, tuple) else ""
        if self._connection_limit is not None and not self._connection_limit.admit(self, address):
            self.force_close()
            return
        give_up_unread(transport)
        # aiohttp limits the wait for the next request, but not for the head of the first one.
        self._head_timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, self.force_close)

    def data_received(self, data: bytes) -> None:
        if self._upgraded:
            # What follows a request for an upgrade is no HTTP. aiohttp keeps 256 KiB of it, then stops reading.
            super().data_received(data)
            return
        if self._close or self._force_close:
            # aiohttp reads nothing more, so none of it may count as a head.
            return
        start, size = 0, self._piece_bytes()
        while not self._deaf:
            self._receive(data[start : start + size] if start or size < len(data) else data)
            start += size
            if start >= len(data):
                break
            size = self._piece_bytes()
        self._bound_waiting()
        self._note_state()

    def _piece_bytes(self) -> int:
        """How many bytes may be parsed at once: small pieces would make a large body twice as expensive (measured)."""
        if self._body.is_eof():
            return PIECE_BYTES
        if self._body_bytes is None:
            return CHUNKED_PIECE_BYTES
        return max(PIECE_BYTES, self._body_bytes - self._body.total_bytes)

    def _receive(self, piece: bytes) -> None:
        known, body, body_bytes = self._request_count, self._body, self._body.total_bytes
        super().data_received(piece)
        if self._request_count != known and self._messages:
            self._head_bytes = 0
            message, self._body = self._messages[-1]
            self._body_bytes = None if self._body.is_eof() else length_of(message)
        else:
            self._head_bytes += len(piece) - (self._body.total_bytes - body_bytes)
        # While the parser pauses, nobody knows how many of the bytes belong to the body.
        if self._head_bytes > HEAD_BYTES and not self._reading_paused:
            self._refuse_head()
        error = getattr(self._messages[-1][0], "exc", None) if self._messages else None
        if error is not None:
            # The frames of its traceback hold what was sent, until the garbage collector runs.
            error.__traceback__ = None
            self._deaf = True
            if not body.is_eof():
                # aiohttp would let the handler wait for the rest of it.
                body.set_exception(web.RequestPayloadError())

    def _refuse_head(self) -> None:
        """Refuse a request whose head, trailers or chunk sizes are too long; nothing more is parsed."""
        if self._body.is_eof():
            # No head may have this byte: the parser refuses the request.
            super().data_received(b"\0")
        else:
            self._body.set_exception(web.RequestPayloadError())
            self._body.feed_eof()
            self.close()

    def _bound_waiting(self) -> None:
        if self._head_timer is not None and self._request_count:
            self._head_timer.cancel()
            self._head_timer = None
        if len(self._messages) > MOST_WAITING:
            # The loop serves one request of each connection in turn: a few hundred full queues would delay everybody.
            if self._connection_limit is not None:
                self._connection_limit.say_pipelined(MOST_WAITING)
            self.force_close()

    def _note_state(self) -> None:
        """Tell the limit whether the gateway has a whole request to answer."""
        if self._connection_limit is None:
            return
        requests = self._request_count - self._answered
        # While a request is passed on to Drupal, `when_lost` is set. Its connection is not idle, however long the body
        # takes.
        if requests == 0 or (requests == 1 and not self._body.is_eof() and self.when_lost is None):
            self._connection_limit.waits_for_client(self)
        else:
            self._connection_limit.waits_for_gateway(self)

    def become_stream(self, most_bytes: int) -> StreamReader:
        """Return a stream of everything that comes from now on, after a request for an upgrade has got its 101.

        The client waits while more than twice *most_bytes* are not read.
        """
        stream = StreamReader(self, most_bytes, loop=asyncio.get_running_loop())
        self.set_parser(cast("WebSocketReader", Stream(stream)))
        return stream

    def is_sending(self) -> bool:
        return self._wire is not None and self._wire.get_write_buffer_size() > 0

    def abort(self) -> None:
        self.force_close()
        if self._wire is not None:
            self._wire.abort()

    def eof_received(self) -> None:
        self.broken = self.transport is not None and has_unread(self.transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.broken = self.broken or exc is not None
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._wire = None
        if self._connection_limit is not None:
            self._connection_limit.leave(self)
        super().connection_lost(exc)
        if self.when_lost is not None:
            self.when_lost()

    async def start(self) -> None:
        try:
            await super().start()
        finally:
            # Otherwise this connection and its unanswered requests would keep each other in memory.
            self._messages.clear()
            self._message_tail = b""
            self._body = EMPTY_PAYLOAD

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109  # aiohttp's own signature
        """Let the request in flight finish within *timeout* seconds, then give it up."""
        try:
            async with asyncio.timeout(timeout):
                await super().shutdown(timeout)
        except TimeoutError:
            # aiohttp would wait for the same time again, but a Pod gets its time only once.
            if self._task_handler is not None:
                self._task_handler.cancel()
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer malformed HTTP, and errors outside of every handler; then close the connection."""
        del message  # The message quotes what was sent.
        if isinstance(exc, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            # The client left, and the event of its request says so.
            pass
        elif status >= web.HTTPInternalServerError.status_code and exc is not None:
            log.error("http.internal", error=type(exc).__name__, where=where(exc))
        else:
            log.info("http.malformed", status=status)
        if exc is not None:
            drop_tracebacks(exc)
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
            if isinstance(resp, web.HTTPException):
                drop_tracebacks(resp)
            resp = stamp(request, as_json(request, resp))
            if closing:
                resp.force_close()
            if self._close or not request.content.is_eof():
                # No handler reads the rest of the body. So the rest is drained, and the connection is closed.
                resp.force_close()
        self._answered += 1
        # This is noted before the answer is written: how long the writing takes depends on the client.
        self._note_state()
        answered = await super().finish_response(request, resp, start_time)
        # aiohttp keeps the last request until the next one comes. Unread parts of bodies would be half a megabyte for
        # each connection (measured).
        if request.content.exception() is None:
            request.content.read_nowait()
        return answered


def length_of(message: object) -> int | None:
    """The Content-Length of a request, which the parser has checked; None for a body in chunks."""
    length: str | None = message.headers.get("Content-Length") if isinstance(message, RawRequestMessage) else None
    return None if length is None else int(length)


class Stream:
    """Feeds a stream with what comes on a connection; aiohttp takes it for the parser of a WebSocket."""

    def __init__(self, stream: StreamReader) -> None:
        self._stream = stream

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self._stream.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        self._stream.feed_eof()


def give_up_unread(transport: asyncio.BaseTransport) -> None:
    """Have the kernel close the connection of a peer that does not read what was written to it (RFC 5482).

    A transport that is being closed would wait for such a peer without a limit.
    """
    sock = transport.get_extra_info("socket")
    if sock is not None and sys.platform == "linux" and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_SECONDS * 1000))


def reset(transport: asyncio.BaseTransport) -> None:
    """Close a connection so that its peer knows that something is missing: with a RST in place of a FIN."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    cast("asyncio.WriteTransport", transport).abort()


def has_unread(transport: asyncio.BaseTransport) -> bool:
    """Whether a peer that has just closed its side missed a part of what was sent.

    The peer's FIN acknowledges what had reached the peer (RFC 9293 §3.10.7.4). What reaches the peer later is answered
    with a reset.
    """
    sock = transport.get_extra_info("socket")
    if sock is None:
        return False
    on_its_way = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)) if sys.platform == "linux" else b""
    return any(on_its_way) or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


async def write_whole(request: web.Request, response: web.Response) -> None:
    """Write the whole answer and wait until its last byte has left. Raises ConnectionError if it can't leave."""
    transport, connection = demand_connected(request), request.protocol
    await response.prepare(request)
    await response.write_eof()
    deadline = asyncio.get_running_loop().time() + WRITE_SECONDS
    # uvloop writes at the end of a turn of the loop, so this waits for one turn at least.
    await asyncio.sleep(0)
    while transport.get_write_buffer_size():
        if asyncio.get_running_loop().time() > deadline:
            raise ConnectionResetError("slow reader")
        await asyncio.sleep(0.005)
    if transport.is_closing():
        # A client that has the last byte may close at once. Whether bytes were lost is known one turn of the loop
        # later.
        await asyncio.sleep(0)
        if isinstance(connection, Connection) and connection.broken:
            raise ConnectionResetError("client gone")


def demand_connected(request: web.Request) -> asyncio.WriteTransport:
    """The transport of *request*. Raises ConnectionError once it is closed."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("client gone")
    # aiohttp declares a plain Transport. The transport of a stream socket can write, with uvloop and with asyncio.
    return cast("asyncio.WriteTransport", transport)
