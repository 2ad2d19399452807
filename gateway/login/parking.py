"""Drupal's session between the password and the hand-over: parked, then forgotten or ended (promise 3)."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from gateway.account import Credential
from gateway.errors import GatewayError, StoreUnavailable, TransactionClosed
from gateway.interfaces import Authenticator, Backend
from gateway.transaction import DELIVERING_SECONDS, new_id, transaction_key

log = structlog.get_logger()

# Pauses between the tries to forget a session while the store is down.
AGAIN_SECONDS = (0.1, 0.5, 2, 5, 10, 20)


class Parking:
    """Parks sessions and ends them at Drupal. The reaper ends those that can't be ended at once."""

    def __init__(self, *, drupal: Authenticator, backend: Backend, clock: Callable[[], float]) -> None:
        self._drupal = drupal
        self._transactions = backend.transactions
        self._parked = backend.parked
        self._clock = clock

    async def park(self, key: str, session: Credential, *, until: float) -> None:
        """Keep *session*, which is due at *until*. If this raises StoreUnavailable, the session has been ended."""
        try:
            await self._parked.park(key, session, due_at=until)
        except BaseException:
            # No other part knows this session, so it must be ended here.
            await asyncio.shield(self.end_unparked(session))
            raise

    async def take_for_handover(self, key: str, *, now: float) -> Credential:
        """Return the session, and make the reaper wait. Raises TransactionClosed if the session is gone."""
        return await self._parked.take_for_handover(key, until=now + DELIVERING_SECONDS)

    async def mark_delivering(self, key: str) -> None:
        """Make the reaper wait, as `take_for_handover` does, but return nothing: the caller has the session already."""
        await self._parked.postpone(key, due_at=self._clock() + DELIVERING_SECONDS)

    async def forget(self, key: str, *, uid: str) -> bool:
        """Forget a session that was handed over; return whether that succeeded.

        A session that stayed parked would be ended by the reaper while it is in use. While the store is down, this call
        takes up to a minute, so no connection should wait for it.
        """
        removed = False
        try:
            removed = await self._removed(key)
        finally:
            # This is logged even if the call is cancelled while it waits.
            if not removed:
                log.error("login.not_removed", uid=uid)
        return removed

    async def _removed(self, key: str) -> bool:
        for wait in (0, *AGAIN_SECONDS):
            await asyncio.sleep(wait)
            with contextlib.suppress(StoreUnavailable):
                await self._parked.remove(key)
                return True
        return False

    async def end(self, key: str) -> None:
        """End the transaction, and leave its session to the reaper."""
        with contextlib.suppress(TransactionClosed, StoreUnavailable):
            await self._transactions.update(key, lambda pending: pending.end(now=self._clock()))
        await self.leave_to_the_reaper(key)

    async def end_now(self, key: str, *, session: Credential | None = None) -> bool:
        """End the session at Drupal before returning; return whether that succeeded.

        If *session* is given, the store need not be asked for it.
        """
        try:
            await self._drupal.log_out(session or await self.take_for_handover(key, now=self._clock()))
            await self._parked.remove(key)
        except GatewayError:
            await self.leave_to_the_reaper(key)
            return False
        return True

    async def end_unparked(self, session: Credential) -> None:
        """End a session that was not parked. If Drupal is down, park it for the reaper."""
        try:
            await self._drupal.log_out(session)
            log.info("reaper.logged_out", uid=session.uid, reason="never_parked")
        except (GatewayError, asyncio.CancelledError) as error:
            try:
                await self._parked.park(transaction_key(new_id()), session, due_at=self._clock())
            except StoreUnavailable:
                log.error("drupal.orphan", uid=session.uid, reason=getattr(error, "word", "shutdown"))
            if isinstance(error, asyncio.CancelledError):
                raise

    async def leave_to_the_reaper(self, key: str) -> None:
        """Make the session due now."""
        try:
            await self._parked.postpone(key, due_at=self._clock())
        except StoreUnavailable:
            # The session is then due at its old deadline.
            log.warning("reaper.later", transaction=key)
