"""Checks the user's answer to the second factor, counts it, and uses up a right one.

A code that was sent is compared first. Then one swap counts the attempt and applies the result. An answer to an
enrolled factor takes three steps: count the attempt, check the answer and use it up in the enrolment, win the
transaction. If a later step fails, the attempt stays counted and nothing is won.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

import structlog

from gateway.account import Client, Enrolment, Grant, Visitor
from gateway.auth_types import AuthType
from gateway.collation import fold
from gateway.delivery.notices import Notices, notice
from gateway.errors import NotEnrolled, StoreUnavailable, TransactionClosed
from gateway.factors import Factors
from gateway.flood.gate import Floodgate, Reserved
from gateway.flood.limits import HARD_SECONDS
from gateway.interfaces import Backend, Subject
from gateway.login.manage_token import ManageTokens, grant_of
from gateway.transaction import Transaction

log = structlog.get_logger()

# With fewer recovery codes than this, the mail asks the user to make new ones.
FEW_CODES = 3


class SecondFactor:
    """Looks up the factor of a method, and applies its check to a login or to an enrolment."""

    def __init__(
        self,
        factors: Factors,
        backend: Backend,
        *,
        enabled: bool,
        flood: Floodgate,
        tokens: ManageTokens,
        notices: Notices,
        clock: Callable[[], float],
    ) -> None:
        self._factors = factors
        self._transactions = backend.transactions
        self._enrolments = backend.enrolments
        self._names = backend.names
        self.enabled = enabled
        self._flood = flood
        self._tokens = tokens
        self._notices = notices
        self._clock = clock

    async def demand_initialised(self) -> None:
        """Raise StoreUnavailable if the store may have been emptied. Otherwise its users would seem not enrolled."""
        if self.enabled and not await self._enrolments.initialised():
            raise StoreUnavailable("not_initialised")

    async def enrolment(self, uid: str) -> Enrolment | None:
        """Return the account's enrolment; None where apps are not allowed. Raises StoreUnavailable."""
        if not self.enabled:
            return None
        found = await self._enrolments.find(uid)
        if found is None:
            # The marker is read after the enrolment. If the store was emptied before the enrolment was read, the
            # marker is gone, too.
            await self.demand_initialised()
        return found

    def capacity(self, method: str) -> AbstractContextManager[None]:
        """Hold what a check by *method* needs. Raises FactorBusy, before anything is counted."""
        return self._factors.of(method).capacity()

    async def is_sent_code(self, pending: Transaction, typed: str) -> bool:
        """Return whether *pending* asks for the code that was sent, and *typed* is this code."""
        factor = self._factors.of(pending.auth_type)
        if factor.enrolled:
            return False
        return await factor.check(typed, secret=pending.secret, enrolment=None, now=self._clock()) is not None

    async def attempt(
        self, key: str, seen: Transaction, typed: str, *, is_sent_code: bool, visitor: Visitor
    ) -> Transaction:
        """Count one try of *typed* and return the transaction after it. Called while `capacity` is held.

        *is_sent_code* is what the method `is_sent_code` returned. Raises TransactionClosed when the transaction was
        closed or switched meanwhile; then the result of the comparison stays secret.
        """
        now = self._clock()
        method = seen.auth_type

        def compare(pending: Transaction) -> Transaction:
            pending.demand_method(method)
            return pending.attempt(accepted=is_sent_code, now=now)

        def count(pending: Transaction) -> Transaction:
            pending.demand_method(method)
            return pending.count(now=now)

        if not self._factors.of(method).enrolled:
            return await self._transactions.update(key, compare, seen=seen)
        counted = await self._transactions.update(key, count, seen=seen)
        enrolment = await self._enrolments.find(seen.uid)
        after = await self.spend(method, typed, secret=seen.secret, enrolment=enrolment)
        if after and method == AuthType.RECOVERY_CODE:
            await self._tell_code_used(seen, left=len(after.recovery_hashes), visitor=visitor)
        return await self._settle(key, counted, accepted=after is not None)

    async def spend(self, method: str, typed: str, *, secret: bytes, enrolment: Enrolment | None) -> Enrolment | None:
        """Check *typed* against *enrolment* and use it up; return the enrolment after it, or None for a wrong answer.

        Called while `capacity` is held.
        """
        use_up = await self._factors.of(method).check(typed, secret=secret, enrolment=enrolment, now=self._clock())
        if use_up is None or enrolment is None:
            return None
        try:
            return await self._enrolments.update(
                enrolment.uid, lambda found: use_up(demand_enrolled(found)), seen=enrolment
            )
        except NotEnrolled:
            # The answer was used up meanwhile. The client must not learn that it was right.
            return None

    async def reject(
        self, whose: Transaction | Grant, reserved: Reserved, *, known_network: bool, visitor: Visitor
    ) -> None:
        """Count a wrong answer. If that locks the account, send its owner a mail."""
        seconds = None if reserved.locks_for_good else HARD_SECONDS
        # Together, these two calls take one round trip.
        is_locked, _ = await asyncio.gather(
            self._flood.code_rejected(whose.uid, reserved, known_network=known_network),
            self.keep_name(whose, seconds=seconds),
        )
        if is_locked:
            await self.tell("locked", whose, visitor=visitor)

    async def keep_name(self, whose: Transaction | Grant, *, seconds: float | None = None) -> None:
        """Remember which uid the account's name stands for.

        An operator can then unlock or reset the account by its name. *seconds* is how long that may be needed; None
        means without a limit.

        This is best effort: if the name is not kept, an operator has to give the uid.
        """
        if self._names is not None:
            with suppress(StoreUnavailable):
                await self._names.keep(fold(whose.username), whose.uid, seconds=seconds)

    def manage_token(self, won: Transaction, *, client: Client) -> str:
        """Return the token by which the user of *won* may change their factors for a while."""
        return self.seal_grant(grant_of(won, at=self._clock()), client=client)

    def seal_grant(self, grant: Grant, *, client: Client) -> str:
        """Return the manageToken of *grant*."""
        return self._tokens.give(grant, client=client.id)

    def read_manage_token(self, token: str, *, client: Client) -> Grant:
        """Return what a manageToken grants. Raises TransactionClosed for a token that is not good."""
        return self._tokens.read(token, client=client.id)

    async def tell(self, subject: Subject, whose: Transaction | Grant, *, visitor: Visitor) -> None:
        """Send the user a mail about *subject*, with the name of the visitor's browser."""
        mail = notice(subject, whose, username=whose.username, now=self._clock(), browser=visitor.user_agent)
        await self._notices.tell(mail, uid=whose.uid)

    async def _settle(self, key: str, counted: Transaction, *, accepted: bool) -> Transaction:
        now = self._clock()
        try:
            return await self._transactions.update(
                key, lambda pending: pending.settle(accepted=accepted, now=now), seen=counted
            )
        except TransactionClosed:
            if accepted:
                raise
            # The answer was compared and is wrong, so it counts, even if the transaction was closed meanwhile.
            return counted

    async def _tell_code_used(self, by: Transaction, *, left: int, visitor: Visitor) -> None:
        log.warning("login.recovery_code_used", uid=by.uid, left=left)
        await self.tell("recovery_low" if left < FEW_CODES else "recovery_used", by, visitor=visitor)


def demand_enrolled(enrolment: Enrolment | None) -> Enrolment:
    """Return *enrolment*. Raises NotEnrolled for None."""
    if enrolment is None:
        raise NotEnrolled
    return enrolment
