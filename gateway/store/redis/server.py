"""Sends commands to Redis and returns its replies. Every failure is a StoreUnavailable."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from gateway.errors import StoreUnavailable
from gateway.store.redis.wire import Argument, Command, Reply, Wire, unavailable


class Script:
    """A Lua script, which is sent by its digest."""

    known: ClassVar[dict[str, str]] = {}

    def __init__(self, source: str) -> None:
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        self.known[self.digest] = source

    def on(self, key: str, *arguments: Argument) -> Command:
        """The command that runs the script on *key*."""
        return ("EVALSHA", self.digest, 1, key, *arguments)

    def on_all(self, keys: Sequence[str], *arguments: Argument) -> Command:
        """The command that runs the script on several *keys* at once."""
        return ("EVALSHA", self.digest, len(keys), *keys, *arguments)


def connection_of(url: str) -> tuple[type[AbstractConnection], dict[str, Any]]:
    """The connection that *url* means: its kind and settings. Raises ValueError or TypeError if *url* means none."""
    settings: dict[str, Any] = dict(parse_url(url))
    kind: type[AbstractConnection] = settings.pop("connection_class", Connection)
    # These come last, so that no option in the URL can change the form of replies or send a command twice. The wire has
    # its own time limits.
    settings |= {
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
    }
    try:
        kind(**settings)
    except RedisError:
        # `from None`: the text of redis-py repeats parts of the URL.
        raise ValueError("not a setting that redis-py knows") from None
    return kind, settings


class Server:
    """One Redis server: one wire that all calls share, and one more for each blocking call."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._kind, self._settings = connection_of(url)
        self._timeout_seconds = timeout_seconds
        self._shared: Wire | None = None
        self._opening: asyncio.Task[Wire] | None = None
        self._idle: list[Wire] = []
        self._closed = False

    async def ask(self, *command: Argument) -> Reply:
        """Send one command and return its reply."""
        return (await self.ask_all((command,)))[0]

    async def ask_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Send *commands* together and return their replies. Commands of other clients may run between them.

        Raises StoreUnavailable for the first command that failed; others may have been carried out.
        """
        wire = self._shared
        if wire is None or not wire.alive:
            wire = await self._open_shared()
        replies = await wire.ask(commands)
        for index, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):
                # The script did not run: Redis does not know it yet, or was restarted.
                _, digest, *rest = commands[index]
                [replies[index]] = await wire.ask([("EVAL", Script.known[str(digest)], *rest)])
            if isinstance(replies[index], RedisError):
                raise unavailable(replies[index])
        return replies

    async def wait(self, *command: Argument, seconds: float) -> Reply:
        """Send one blocking command, which Redis answers after *seconds* at most. Cancelling withdraws the command."""
        wire = next((idle for idle in self._idle if idle.alive), None) or await self._open()
        self._idle = [idle for idle in self._idle if idle is not wire and idle.alive]
        try:
            [reply] = await wire.ask([command], wait_seconds=seconds)
        except BaseException:
            # If the wire stayed open, Redis would answer the command with messages that nobody reads.
            await wire.close()
            raise
        self._idle.append(wire)
        if isinstance(reply, RedisError):
            raise unavailable(reply)
        return reply

    async def ping(self) -> None:
        """Raise StoreUnavailable unless Redis answers."""
        await self.ask("PING")

    async def close(self) -> None:
        self._closed = True
        if self._opening:
            # The opening is not cancelled: that would cancel the callers that wait for it, too.
            await asyncio.wait([self._opening])
        for wire in (self._shared, *self._idle):
            if wire:
                await wire.close()

    async def _open_shared(self) -> Wire:
        """Open one wire for all callers that need it, so that a hung server costs each of them one time limit."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    def _opened(self, opening: asyncio.Task[Wire]) -> None:
        self._opening = None
        if not opening.cancelled() and not opening.exception():
            self._shared = opening.result()

    async def _open(self) -> Wire:
        if self._closed:
            raise StoreUnavailable("closed")
        connection = self._kind(**self._settings)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                # redis-py has no types here.
                await connection.connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise unavailable(error) from error
        return Wire(connection, timeout_seconds=self._timeout_seconds)
