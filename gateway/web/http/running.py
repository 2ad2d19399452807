"""The work that a shutdown has to wait for."""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from gateway.telemetry.log_setup import where

log = structlog.get_logger()

# At the end, a task that is cancelled has this long to put things in order.
LAST_SECONDS = 2


@dataclass(kw_only=True, slots=True)
class Running:
    """The state of the process. While *stopping* is true, it is not ready.

    *tasks* are the requests that are being answered, whose client may have left, and the work that follows an answer.
    """

    stopping: bool = False
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _until: float = math.inf

    def stop(self, *, within_seconds: float) -> None:
        """Begin to stop. Everything that has to be waited for shares these seconds."""
        self.stopping = True
        self._until = asyncio.get_running_loop().time() + within_seconds

    def keep(self, work: Coroutine[object, None, None]) -> None:
        """Run *work* in a task of its own; a shutdown waits for it."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("http.internal", error=type(error).__name__, where=where(error))

    def left(self, most_seconds: float) -> float:
        """How many seconds of a shutdown are left, at most *most_seconds*."""
        return max(0.0, min(most_seconds, self._until - asyncio.get_running_loop().time()))

    async def settle(self, most_seconds: float) -> None:
        """Wait for the tasks, then cancel them. aiohttp does not wait for requests whose client has left."""
        if not self.tasks:
            return
        _, late = await asyncio.wait(self.tasks, timeout=self.left(most_seconds))
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=LAST_SECONDS)


@asynccontextmanager
async def background(work: Coroutine[None, None, None], stop: Callable[[], None] | None = None) -> AsyncGenerator[None]:
    """Run *work* beside the caller. At the end call *stop* and wait for the work; without a *stop*, cancel it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        if stop is None:
            task.cancel()
        else:
            stop()
        with contextlib.suppress(asyncio.CancelledError):
            await task
