"""Logins that were given up, and whose answers are read all the same.

Drupal carries a login out although its client has left (measured), and the session that it opens can be ended only by
the gateway that receives its cookie. So the gateway waits for the answer for another minute.

    waited for ──answer──▶ done
        │ time-out, or the caller leaves
        ▼
    read on ──a session──▶ passed to *late*
        │   ──a refusal──▶ `drupal.late_refusal`
        ▼ a minute is over, or the process ends
    orphan, if Drupal has opened a session: `drupal.orphan`
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final

import structlog

from gateway.account import Credential
from gateway.errors import GatewayError
from gateway.interfaces import Late

log = structlog.get_logger()

READ_ON_SECONDS = 60
# At shutdown, ending the late sessions may take this long. After that, leaving the rest to the reaper may take this
# long again.
LAST_SECONDS: Final = 1


class ReadingOn:
    """The given-up logins whose answers are still awaited, and the tasks that handle those answers."""

    def __init__(self) -> None:
        self._given_up: set[asyncio.Task[Credential]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._orphaned_by = "never_answered"

    def read_on(self, login: asyncio.Task[Credential], late: Late) -> None:
        """Wait for *login*, for which its caller no longer waits, and pass its credential to *late*."""
        self._given_up.add(login)
        login.add_done_callback(self._given_up.discard)
        self.keep(self._wait_for(login, late))

    def keep(self, work: Coroutine[object, None, None]) -> None:
        """Run *work* in a task of its own, which `finish` waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, *, most_seconds: float) -> None:
        """Wait for everything, for at most *most_seconds*, then give up what is left."""
        await self._all_done(most_seconds)
        self._orphaned_by = "shutdown"
        for login in self._given_up:
            login.cancel()
        # The sessions that came in time are ended, or kept for the reaper.
        await self._all_done(LAST_SECONDS)
        for task in self._tasks:
            task.cancel()
        await self._all_done(LAST_SECONDS)

    async def _all_done(self, most_seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(most_seconds):
                # Again and again: a login that ends starts the task that ends its session.
                while self._tasks:
                    await asyncio.wait(self._tasks)

    async def _wait_for(self, login: asyncio.Task[Credential], late: Late) -> None:
        await asyncio.wait({login}, timeout=READ_ON_SECONDS)
        login.cancel()
        await asyncio.wait({login})
        if login.cancelled():
            log.warning("drupal.orphan", reason=self._orphaned_by)
            return
        try:
            credential = login.result()
        except GatewayError as error:
            log.info("drupal.late_refusal", reason=error.word)
        else:
            await late(credential)
