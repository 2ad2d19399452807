"""Kept connections to Drupal. Bytes that came before a request are never taken for its answer.

    idle ──connect──▶ in use ──the answer ends──▶ idle
      │ bytes arrive, or wait to be read
      ▼
    closed

aiohttp takes the first answer on a connection for the answer to its request, even if it came earlier. So a stray login
answer would log in the next user, whatever password they typed. A stray answer that comes only after the request can't
be told from the right one here; `session` compares the name in it.

This module overrides methods that aiohttp does not document. tests/flows/test_stray_answers.py shows that they work.
"""

import asyncio
import select
from functools import partial

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace


class StrictConnection(ResponseHandler):
    """A connection that closes when bytes arrive while *awaits_answer* is false."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.awaits_answer = False
        # How many requests took it, and whether anything has come for the last one.
        self.requests = 0
        self.heard = False

    def data_received(self, data: bytes) -> None:
        # Empty *data* comes from aiohttp itself: after a pause, it goes on with bytes that came earlier.
        if data and not self.awaits_answer:
            self.close()
        else:
            self.heard = True
            super().data_received(data)

    def is_connected(self) -> bool:
        """Whether the connection is open and, while it is idle, can be used again."""
        return super().is_connected() and (self.awaits_answer or not self._has_unread())

    def _has_unread(self) -> bool:
        # These bytes were read already: the same packet held the end of an answer and what came after it.
        if self._buffer or self._tail or self.transport is None:
            return True
        # These bytes are not read yet: the event loop has not come to them, or reading is paused. The end of the stream
        # counts, too.
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))


class StrictConnector(aiohttp.TCPConnector):
    """Keeps connections for reuse, and tells each one when a request takes it and gives it back."""

    def __init__(self, *, keepalive_timeout: float) -> None:
        super().__init__(limit=0, keepalive_timeout=keepalive_timeout, ttl_dns_cache=10)
        opens: type[ResponseHandler] = StrictConnection
        self._factory = partial(opens, loop=self._loop)

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's own signature
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if isinstance(connection.protocol, StrictConnection):
            connection.protocol.awaits_answer = True
            connection.protocol.requests += 1
            connection.protocol.heard = False
        return connection

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        if isinstance(protocol, StrictConnection):
            protocol.awaits_answer = False
        super()._release(key, protocol, should_close=should_close)
