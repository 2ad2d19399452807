"""The same code by another method, when the one before has failed for good.

It is never another code and never another attempt, and the login stays bound to the authType that its frontend was
told. A method that the account has not is passed over.
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
    """Is told of each code's message that has failed; *methods* says what comes after which."""

    def __init__(
        self, backend: Backend, *, flood: Floodgate, methods: Mapping[str, str], clock: Callable[[], float]
    ) -> None:
        self._transactions = backend.transactions
        self._outbox = backend.outbox
        self._flood = flood
        self._methods = methods
        self._clock = clock

    async def __call__(self, failed: Message) -> None:
        """Send the code another way, once, if nothing else of its method may still arrive."""
        key = failed.transaction
        if failed.subject != "code" or key is None:
            return
        try:
            await self._send(key, failed)
        except TransactionClosed:
            return  # Nobody waits for this code any more.
        except GatewayError as error:
            log.warning("fallback.refused", transaction=key, reason=error.reason or error.word)
        except Exception as error:  # noqa: BLE001 - the courier still has to finish what has failed
            log.error("fallback.error", transaction=key, reason=type(error).__name__)

    async def _send(self, key: str, failed: Message) -> None:
        seen = await self._transactions.find(key)
        method = self._next(seen, failed)
        if method is None or not await self._all_failed(seen, failed) or not await self._was_counted(failed):
            return
        ids = message_ids(method)

        def change(pending: Transaction) -> Transaction:
            if self._next(pending, failed) != method:
                raise TransactionClosed("carried")
            return replace(pending, messages=ids)

        now = self._clock()
        # Tried first on what was read, as a resend is: what is not sent is not counted.
        await self._flood.deliveries(destinations(change(seen)), known_network=seen.known_network, now=now)
        after = await self._transactions.update(key, change, seen=seen)
        for message in messages(key, after, browser=failed.browser, now=now, fallback=self._methods):
            await self._outbox.put(message)
        log.info("fallback.queued", transaction=key, uid=after.uid, failed=carrier(seen.messages), by=method)

    def _next(self, pending: Transaction, failed: Message) -> str | None:
        """What comes now. None if somebody else has seen to it, by a resend or another courier."""
        pending.demand_open(now=self._clock())
        return next_method(pending, self._methods) if failed.id in awaited(pending) else None

    async def _was_counted(self, failed: Message) -> bool:
        """Whether it could have been sent at all: what flood control has refused goes no other way either."""
        return await self._flood.counted(
            failed.channel, failed.to, known_network=failed.known_network, at=failed.asked_at
        )

    async def _all_failed(self, pending: Transaction, failed: Message) -> bool:
        others = [id for id in pending.messages if id != failed.id]
        return all(word == "failed" for word in await self._outbox.words(others))
