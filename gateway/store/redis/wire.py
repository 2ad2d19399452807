"""One connection to Redis that many callers share. Redis answers in the order in which it was asked.

A pool lends each command a connection of its own, and costs 100 µs of CPU per command. A shared connection costs 50 µs
with one caller and 6 µs with 32 (measured, redis-py 8.1 with hiredis on uvloop), since all commands of one turn of the
event loop leave in one packet.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004  # redis-py's own name for it
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.errors import StoreUnavailable

Argument = bytes | str | int | float
Command = tuple[Argument, ...]
# The form of a reply depends on its command, so the caller parses it.
Reply = Any

# How many calls may wait for their replies. Redis answers 100,000 commands a second, so if more wait, it is not slow
# but down.
MOST_ASKED: Final = 10_000

_REASONS: Final[dict[type[Exception], str]] = {
    AuthenticationError: "auth",
    BusyLoadingError: "loading",
    OutOfMemoryError: "full",
    ReadOnlyError: "read_only",
    ResponseError: "refused",
    RedisTimeoutError: "timeout",
    TimeoutError: "timeout",
}

# Errors for which redis-py has no class, by their first word.
_WORDS: Final = {"NOGROUP": "no_group", "BUSYGROUP": "group_exists"}


def unavailable(error: Exception) -> StoreUnavailable:
    """The error for the caller. The text of *error* may hold a part of the command, so it stays in the cause."""
    reason = _WORDS.get(str(error).partition(" ")[0])
    if reason is None:
        reason = next((_REASONS[kind] for kind in type(error).__mro__ if kind in _REASONS), "unreachable")
    meant = StoreUnavailable(reason)
    meant.__cause__ = error
    return meant


@dataclass(kw_only=True, slots=True)
class _Exchange:
    """Commands that were sent together, and the replies that came so far."""

    answered: asyncio.Future[list[Reply]]
    count: int
    due_at: float
    replies: list[Reply] = field(default_factory=list)


class Wire:
    """A shared connection. When it breaks, every waiting call fails, and nothing is sent twice."""

    def __init__(self, connection: AbstractConnection, *, timeout_seconds: float) -> None:
        self.alive = True
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self._asked: deque[_Exchange] = deque()
        self._unsent: list[bytes] = []
        self._error: Exception = ConnectionError("closed")
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._reading = self._loop.create_task(self._read())

    def ask(self, commands: Sequence[Command], *, wait_seconds: float = 0) -> asyncio.Future[list[Reply]]:
        """Send *commands* and return a future of their replies, which may be errors.

        The future fails with StoreUnavailable when the wire breaks, or when there is no reply after the time limit and
        *wait_seconds*.
        """
        if not self.alive:
            raise unavailable(self._error)
        if len(self._asked) >= MOST_ASKED:
            raise StoreUnavailable("busy")
        answered: asyncio.Future[list[Reply]] = self._loop.create_future()
        due_at = self._loop.time() + self._timeout_seconds + wait_seconds
        self._asked.append(_Exchange(answered=answered, count=len(commands), due_at=due_at))
        # The connection's own packing is not used: it is written in Python, and took half the CPU of a login
        # (measured). hiredis's type stub wrongly asks for a tuple with one element.
        self._unsent.extend(map(pack_command, commands))  # type: ignore[arg-type]
        if self._sending is None:
            # In a task, so that the commands of other callers in this turn of the loop go along.
            self._sending = self._loop.create_task(self._send())
        if self._timer is None:
            self._timer = self._loop.call_at(due_at, self._watch)
        return answered

    def cut(self, error: Exception) -> None:
        """Give up the connection. Every waiting call fails with *error*."""
        if not self.alive:
            return
        self.alive = False
        self._error = error
        for pending in (self._timer, self._sending, self._reading):
            if pending:
                pending.cancel()
        while self._asked:
            answered = self._asked.popleft().answered
            # The caller may have been cancelled in the meantime.
            if not answered.done():
                answered.set_exception(unavailable(error))
        self._closing = self._loop.create_task(self._connection.disconnect(nowait=True))

    async def close(self) -> None:
        self.cut(ConnectionError("closed"))
        await asyncio.wait([task for task in (self._reading, self._closing) if task])

    async def _send(self) -> None:
        try:
            # The packets leave one turn later: the commands of a `gather` come from tasks that start in this turn.
            await asyncio.sleep(0)
            while self._unsent:
                packets, self._unsent = self._unsent, []
                await self._connection.send_packed_command(packets, check_health=False)
        except (RedisError, OSError) as error:
            self.cut(error)
        finally:
            self._sending = None

    async def _read(self) -> None:
        try:
            while True:
                try:
                    self._answer(await self._connection.read_response())
                except ResponseError as error:
                    self._answer(error)
        except (RedisError, OSError) as error:
            self.cut(error)

    def _answer(self, reply: Reply) -> None:
        if not self._asked:
            raise ConnectionError("an answer that nobody asked for")
        exchange = self._asked[0]
        exchange.replies.append(reply)
        if len(exchange.replies) == exchange.count:
            self._asked.popleft()
            if not exchange.answered.done():
                exchange.answered.set_result(exchange.replies)

    def _watch(self) -> None:
        """Check the time limit of the oldest call. Replies come in order, so no other is older."""
        self._timer = None
        if not self._asked:
            return
        due_at = self._asked[0].due_at
        if due_at <= self._loop.time():
            self.cut(TimeoutError())
        else:
            self._timer = self._loop.call_at(due_at, self._watch)
