"""Events as lines: JSON for machines, readable on a terminal. Never a sentence, never a secret."""

import logging
import sys
import time
import traceback
from typing import Literal, TextIO

import structlog

Format = Literal["auto", "json", "console"]

SAY_AGAIN_SECONDS = 60.0


def configure(*, format: Format = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Send every event to *stream* (default: stderr), and nothing of the libraries' own."""
    out = stream or sys.stderr
    readable = format == "console" or (format == "auto" and out.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # Libraries quote requests, addresses and servers' answers in their own logs.
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    logging.raiseExceptions = False


class OncePerMinute:
    """When an event may be said that anybody can cause: once a minute, whatever the clock on the wall does."""

    def __init__(self) -> None:
        self._said_at = -SAY_AGAIN_SECONDS

    def due(self) -> bool:
        """Whether it is time, which counts as having been said."""
        now = time.monotonic()
        if now - self._said_at < SAY_AGAIN_SECONDS:
            return False
        self._said_at = now
        return True


def where(error: BaseException) -> str:
    """The innermost place of ours in a traceback, as `file:line`; never its text, which may quote a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "gateway" in frame.filename] or frames
    return f"{ours[-1].filename.rpartition('/gateway/')[2]}:{ours[-1].lineno}" if ours else ""
