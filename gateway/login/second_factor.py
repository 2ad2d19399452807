"""What somebody types as a second factor, checked by its method: a code that was sent, an app's, a recovery code.

A sent code is compared inside the swap that counts the attempt. The others are spent in an enrolment, so the attempt is
counted first, then they are compared and spent, and only then the transaction is won: whoever loses on the way has
spent an attempt and won nothing.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import structlog

from gateway.account import Enrolment
from gateway.auth_types import AUTHENTICATOR, RECOVERY_CODE, sends
from gateway.delivery.notices import Notices, notice
from gateway.errors import NotEnrolled, StoreUnavailable, TransactionClosed
from gateway.factors import RecoveryCodes, Totp
from gateway.interfaces import Backend, Factor, Subject
from gateway.transaction import Transaction

log = structlog.get_logger()

# With fewer recovery codes than these the mail says to make new ones.
FEW_CODES = 3


class SecondFactor:
    """Checks what was typed against what each method asks for."""

    def __init__(
        self,
        *,
        code: Factor,
        totp: Totp,
        recovery: RecoveryCodes,
        enabled: bool,
        backend: Backend,
        notices: Notices,
        clock: Callable[[], float],
    ) -> None:
        self._code = code
        self._totp = totp
        self._recovery = recovery
        self._enabled = enabled
        self._transactions = backend.transactions
        self._enrolments = backend.enrolments
        self._notices = notices
        self._clock = clock

    async def demand_initialised(self) -> None:
        """Raise StoreUnavailable for a store that may have been emptied: nobody is taken for not enrolled."""
        if self._enabled and not await self._enrolments.initialised():
            raise StoreUnavailable("not_initialised")

    async def enrolment(self, uid: str) -> Enrolment | None:
        """What the account has enrolled; None where apps are not allowed. Raises StoreUnavailable."""
        if not self._enabled:
            return None
        found = await self._enrolments.find(uid)
        if found is None:
            # Afterwards: a store that was emptied before that look shows it now.
            await self.demand_initialised()
        return found

    def room(self, method: str) -> AbstractContextManager[None]:
        """What a check by *method* needs to have before anything is counted. Raises FactorBusy."""
        return self._recovery.room() if method == RECOVERY_CODE else nullcontext()

    def is_sent_code(self, pending: Transaction, typed: str) -> bool:
        """Whether *typed* is the code that was sent. An app's and a recovery code are no matter of the transaction."""
        return sends(pending.auth_type) and self._code.check(pending.secret, typed)

    async def attempt(self, key: str, seen: Transaction, typed: str, *, is_sent: bool, browser: str) -> Transaction:
        """Count one try of *typed* and return what became of the transaction. Asked for with *room*.

        *is_sent* is what `is_sent_code` said of it; *browser* is told in a mail about it.

        Raises TransactionClosed, and then nothing was compared that anybody hears of.
        """
        now = self._clock()
        method = seen.auth_type

        def compared(pending: Transaction) -> Transaction:
            pending.demand_method(method)
            return pending.attempt(accepted=is_sent, now=now)

        def counted(pending: Transaction) -> Transaction:
            pending.demand_method(method)
            return pending.count(now=now)

        if sends(method):
            return await self._transactions.update(key, compared, seen=seen)
        tried = await self._transactions.update(key, counted, seen=seen)
        spent = await self.spend(seen.uid, method, typed)
        if spent and method == RECOVERY_CODE:
            await self._tell_used(seen, left=len(spent.recovery_hashes), now=now, browser=browser)
        return await self._settled(key, tried, accepted=spent is not None)

    async def _tell_used(self, by: Transaction, *, left: int, now: float, browser: str) -> None:
        log.warning("login.recovery_code_used", uid=by.uid, left=left)
        subject: Subject = "recovery_low" if left < FEW_CODES else "recovery_used"
        told = notice(subject, by, username=by.username, now=now, browser=browser)
        await self._notices.tell(told, uid=by.uid)

    async def _settled(self, key: str, tried: Transaction, *, accepted: bool) -> Transaction:
        now = self._clock()
        try:
            return await self._transactions.update(
                key, lambda pending: pending.settle(accepted=accepted, now=now), seen=tried
            )
        except TransactionClosed:
            if accepted:
                raise
            # It was compared and wrong, so it counts, whatever ended the transaction meanwhile.
            return tried

    async def spend(self, uid: str, method: str, typed: str) -> Enrolment | None:
        """Compare *typed* and use it up, in one swap; the enrolment after it, or None. Asked for with *room*."""
        try:
            if method == AUTHENTICATOR:
                return await self._spend_step(uid, typed)
            return await self._spend_recovery_code(uid, typed)
        except NotEnrolled:
            # Wrong, or somebody else has spent it: the two are not told apart.
            return None

    async def _spend_step(self, uid: str, typed: str) -> Enrolment | None:
        now = self._clock()

        def spent(found: Enrolment | None) -> Enrolment:
            enrolment = known(found)
            if enrolment.totp_secret is None:
                raise NotEnrolled
            step = self._totp.step(enrolment.totp_secret, typed, now=now, after=enrolment.last_step)
            return enrolment.step(step)

        return await self._enrolments.update(uid, spent)

    async def _spend_recovery_code(self, uid: str, typed: str) -> Enrolment | None:
        enrolment = await self._enrolments.find(uid)
        kept = await self._recovery.find(typed, enrolment.recovery_hashes if enrolment else ())
        if kept is None:
            raise NotEnrolled
        return await self._enrolments.update(uid, lambda found: known(found).spend(kept))


def known(enrolment: Enrolment | None) -> Enrolment:
    """Raise NotEnrolled for none."""
    if enrolment is None:
        raise NotEnrolled
    return enrolment
