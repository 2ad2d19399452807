"""Sends the same code by another method when the first one has failed.

The code and the number of attempts stay the same, and the login stays bound to the authType in the answer of
/authenticate. Methods that the account does not have are skipped.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from gateway.errors import GatewayError, TransactionClosed
from gateway.flood.gate import Floodgate
from gateway.interfaces import Backend, Message
from gateway.login.methods import awaited, carrier, destinations, message_ids, messages, next_method
from gateway.transaction import Transaction

log = structlog.get_logger()


class Fallback:
    """Is called for each failed message of a code. *methods* maps a method to the next one."""

    def __init__(
        self, backend: Backend, *, flood: Floodgate, methods: Mapping[str, str], clock: Callable[[], float]
    ) -> None:
        self._transactions = backend.transactions
        self._outbox = backend.outbox
        self._flood = flood
        self._methods = methods
        self._clock = clock

    async def __call__(self, failed: Message) -> None:
        """Send the code by the next method, once, if every message of this method has failed."""
        key = failed.transaction
        if failed.subject != "code" or key is None:
            return
        try:
            await self._send(key, failed)
        except TransactionClosed:
            return  # The login is over.
        except GatewayError as error:
            log.warning("fallback.refused", transaction=key, reason=error.reason or error.word)
        except Exception as error:  # noqa: BLE001  # the courier must still finish the failed message
            log.error("fallback.error", transaction=key, reason=type(error).__name__)

    async def _send(self, key: str, failed: Message) -> None:
        seen = await self._transactions.find(key)
        method = self._next(seen, failed)
        if method is None or not await self._all_failed(seen, failed) or not await self._flood.counted(failed):
            # A message that was not counted was refused by flood control. It must not go by another method either.
            return
        ids = message_ids(method)

        def change(pending: Transaction) -> Transaction:
            if self._next(pending, failed) != method:
                raise TransactionClosed("carried")
            return replace(pending, messages=ids)

        now = self._clock()
        # As in a resend, the change is first tried on the copy that was read: if it fails, no message is counted.
        await self._flood.deliveries(seen.uid, destinations(change(seen)), known_network=seen.known_network, now=now)
        after = await self._transactions.update(key, change, seen=seen)
        for message in messages(key, after, browser=failed.browser, now=now, fallback=self._methods):
            await self._outbox.put(message)
        log.info("fallback.queued", transaction=key, uid=after.uid, failed=carrier(seen.messages), by=method)

    def _next(self, pending: Transaction, failed: Message) -> str | None:
        """Return the next method; None if a resend or another courier has replaced the failed message."""
        pending.demand_open(now=self._clock())
        return next_method(pending, self._methods) if failed.id in awaited(pending) else None

    async def _all_failed(self, pending: Transaction, failed: Message) -> bool:
        others = [id for id in pending.messages if id != failed.id]
        return all(word == "failed" for word in await self._outbox.words(others))
