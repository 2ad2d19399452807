"""Ends at Drupal the sessions that were parked and not handed over.

The winner of the transaction's swap decides what becomes of the session. So the reaper ends the transaction first, by
the same swap as every other part. While Drupal is down, the session waits.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable

import structlog

from gateway.account import Credential
from gateway.errors import DrupalMaintenance, GatewayError, StoreUnavailable, TransactionClosed
from gateway.interfaces import Authenticator, Backend
from gateway.telemetry.log_setup import where
from gateway.transaction import DELIVERING_SECONDS, State, Transaction

log = structlog.get_logger()

AT_ONCE = 8
LEASE_SECONDS = 90
AGAIN_SECONDS = 15
IDLE_SECONDS = 1.0


class Reaper:
    """Runs in every gateway process; a lease keeps two of them from ending the same session."""

    def __init__(self, *, drupal: Authenticator, backend: Backend, clock: Callable[[], float]) -> None:
        self._drupal = drupal
        self._transactions = backend.transactions
        self._parked = backend.parked
        self._clock = clock

    async def run(self) -> None:
        """Sweep until cancelled. While the store is down, try again."""
        while True:
            ended = 0
            try:
                ended = await self.sweep()
            except StoreUnavailable as error:
                log.warning("reaper.store_unavailable", reason=error.reason)
            except Exception as error:  # noqa: BLE001  # a bug at one session must not keep the others alive
                log.error("reaper.internal", error=type(error).__name__, where=where(error))
            if not ended:
                await asyncio.sleep(IDLE_SECONDS)

    async def sweep(self, *, everything: bool = False) -> int:
        """End the sessions that are due now; with *everything*, end all. Return how many were ended."""
        now = self._clock()
        # With *everything*, all sessions are claimed at once: a session that can't be ended must not delay one that
        # can.
        due = await self._parked.claim(
            now=float("inf") if everything else now,
            lease_seconds=LEASE_SECONDS,
            most=sys.maxsize if everything else AT_ONCE,
        )
        settled = await asyncio.gather(
            *(self._settle(key, session, now=now, everything=everything) for key, session in due)
        )
        return sum(settled)

    async def drain(self, *, most_seconds: float) -> None:
        """End every session of a store that ends with its process, and log how many could not be ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_seconds):
                while await self.sweep(everything=True):
                    pass
        orphans = await self._parked.claim(now=float("inf"), lease_seconds=0, most=sys.maxsize)
        if orphans:
            log.error("drupal.orphan", reason="shutdown", count=len(orphans))

    async def _settle(self, key: str, session: Credential, *, now: float, everything: bool) -> bool:
        try:
            wait = await self._still_delivering(key, now=now)
            # With *everything*, this is the last chance to end the session.
            if wait and not everything:
                await self._parked.postpone(key, due_at=now + wait)
                return False
            await self._drupal.log_out(session)
            await self._parked.remove(key)
        except GatewayError as error:
            log.info("reaper.postponed", uid=session.uid, transaction=key, reason=error.word)
            # During maintenance, Drupal must be left alone. The error says for how long.
            again = error.retry_after if isinstance(error, DrupalMaintenance) else AGAIN_SECONDS
            with contextlib.suppress(StoreUnavailable):
                await self._parked.postpone(key, due_at=self._clock() + again)
            return False
        log.info("reaper.logged_out", uid=session.uid, transaction=key)
        return True

    async def _still_delivering(self, key: str, *, now: float) -> float:
        """End the transaction; return for how many seconds its winner may still be writing the answer."""

        def end(pending: Transaction) -> Transaction:
            return pending.end(now=now)

        try:
            pending = await self._transactions.update(key, end)
        except TransactionClosed:
            return 0
        if pending.state is not State.DELIVERING:
            return 0
        return max(0, pending.closed_at + DELIVERING_SECONDS - now)
