"""Configures the log: one line for each event, as JSON for machines or readable on a terminal."""

import logging
import sys
import time
import traceback
from typing import Literal, TextIO

import structlog

Format = Literal["auto", "json", "console"]

SAY_AGAIN_SECONDS = 60.0


def configure(*, format: Format = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Write every event to *stream* (default: stderr), and nothing that libraries log."""
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
    # The logs of libraries quote requests, addresses and answers of servers.
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    logging.raiseExceptions = False


class OncePerMinute:
    """Lets an event that any client can cause be logged once a minute at most. Uses the monotonic clock."""

    def __init__(self) -> None:
        self._said_at = -SAY_AGAIN_SECONDS

    def due(self) -> bool:
        """Whether the event may be logged now. If so, the caller logs it, and the next minute begins."""
        now = time.monotonic()
        if now - self._said_at < SAY_AGAIN_SECONDS:
            return False
        self._said_at = now
        return True


def where(error: BaseException) -> str:
    """The innermost line of our own code in a traceback, as `file:line`. The text of *error* may quote a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "gateway" in frame.filename] or frames
    return f"{ours[-1].filename.rpartition('/gateway/')[2]}:{ours[-1].lineno}" if ours else ""
