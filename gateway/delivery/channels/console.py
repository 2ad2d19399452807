"""Messages printed to stderr, for development. A reader of them needs only the password of an account to log in."""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, TextIO

import structlog

from gateway.interfaces import Channel, Text
from gateway.options import Options
from gateway.texts.messages import one_line

log = structlog.get_logger()


class ConsoleOptions(Options):
    """Has nothing to configure. Not for production."""

    kind: Literal["console"] = "console"

    @asynccontextmanager
    async def open(self, *, stream: TextIO | None = None) -> AsyncGenerator[Channel]:
        """Yield the channel, and warn that codes are readable."""
        log.warning("channel.console", why="codes are printed to stderr: for development only")
        yield ConsoleChannel(stream or sys.stderr)


class ConsoleChannel:
    """A Channel that prints. It does not use the log, in which no line may hold a code (promise 6)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    async def deliver(self, to: str, text: Callable[[], Awaitable[Text]], *, id: str) -> None:
        """Print the recipient and the text."""
        written = await text()
        lines = (
            f"--- message {one_line(id)} to {one_line(to)}",
            written.subject,
            "",
            *written.plain.splitlines(),
            "---",
        )
        # One write, so that two messages never mix. Only printable lines, so that none can control the terminal.
        self._stream.write("".join(f"{one_line(line)}\n" for line in lines))
        self._stream.flush()
