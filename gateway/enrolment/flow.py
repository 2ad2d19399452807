"""Adding and removing an authenticator app and its recovery codes, for a user with a fresh second factor."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog
from structlog.contextvars import bind_contextvars

from gateway.account import Caller, Enrolment, Grant, Visitor
from gateway.auth_types import ENROLLED, AuthType
from gateway.errors import Disabled, NotEnrolled, TransactionClosed, WrongOtp
from gateway.factors import Factors, digits_of, qr_of, text_of
from gateway.flood.gate import Floodgate
from gateway.flood.limits import SOFT_FAILURES
from gateway.interfaces import Enrolments
from gateway.login.manage_token import LIFETIME_SECONDS
from gateway.login.second_factor import SecondFactor

log = structlog.get_logger()

Value = TypeVar("Value")

# No app shows more digits. A recovery code has twice as many characters.
MOST_DIGITS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposed:
    """A secret for an app, in three forms: text to type, a link, and a picture for the camera."""

    secret: str = field(repr=False)
    otpauth: str = field(repr=False)
    qr: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmed:
    """The recovery codes of a new app, and a manageToken as if the user had logged in with that app."""

    codes: tuple[str, ...] = field(repr=False)
    manage_token: str = field(repr=False)


class EnrolmentFlow:
    """The four requests about a user's own factors: `enroll`, `confirm`, `remove` and `recovery_codes`.

    Each of them raises TransactionClosed for a bad token, Disabled where apps are not allowed, and StoreUnavailable for
    a store that may have been emptied.
    """

    def __init__(
        self,
        factors: Factors,
        second_factor: SecondFactor,
        *,
        enrolments: Enrolments,
        flood: Floodgate,
        clock: Callable[[], float],
    ) -> None:
        self._totp = factors.totp
        self._recovery = factors.recovery
        self._second_factor = second_factor
        self._enrolments = enrolments
        self._flood = flood
        self._clock = clock

    async def enroll(self, *, token: str, caller: Caller) -> Proposed:
        """Propose a secret. What is enrolled stays until `confirm`; a second proposal replaces the first.

        Raises Flood.
        """
        grant = await self._read_grant(token, caller)
        await self._flood.proposal(grant.uid)
        secret = self._totp.secret()
        until = self._clock() + LIFETIME_SECONDS
        await self._update(grant, lambda enrolment: enrolment.propose(secret, until=until))
        uri = self._totp.uri(secret, grant.username)
        return Proposed(secret=text_of(secret), otpauth=uri, qr=qr_of(uri))

    async def confirm(self, *, token: str, otp: str, current_otp: str | None, caller: Caller) -> Confirmed:
        """Enrol the proposed secret if *otp* is a code of it, and make ten recovery codes.

        Raises NotEnrolled when nothing was proposed, or when *current_otp* is needed and missing. Raises WrongOtp when
        *otp* or *current_otp* is wrong. Raises Flood or FactorBusy.
        """
        grant = await self._read_grant(token, caller)
        # Every request is counted, since a refused one takes capacity for a moment, too.
        await self._flood.change(grant.uid)
        now = self._clock()
        with self._recovery.capacity():
            enrolment = await self._enrolment(grant)
            secret = enrolment.proposed(now=now)
            demand_current(enrolment, grant, current_otp)

            async def first_code() -> int | None:
                return self._totp.step(secret, otp, now=now, after=0)

            # The new app's code is checked first: if it is mistyped, no recovery code is used up.
            step = await self._demand(first_code, grant, caller.visitor)
            grant = await self._prove_current(grant, current_otp, caller.visitor)
            await self._count_mail(grant)
            codes, hashes = await self._recovery.make()
        await self._update(
            grant, lambda found: unreplaced(found, grant).confirm(secret, step=step, recovery_hashes=hashes)
        )
        await self._second_factor.keep_name(grant)
        await self._second_factor.tell("authenticator_added", grant, visitor=caller.visitor)
        by_app = replace(grant, method=AuthType.AUTHENTICATOR)
        return Confirmed(codes=codes, manage_token=self._second_factor.seal_grant(by_app, client=caller.client))

    async def remove(self, *, token: str, otp: str, caller: Caller) -> None:
        """Remove the app and the recovery codes if *otp* is a code of either.

        Raises NotEnrolled when there is no app. Raises WrongOtp, Flood or FactorBusy.
        """
        grant = await self._read_grant(token, caller)
        await self._flood.change(grant.uid)
        method = method_of(otp)
        with self._second_factor.capacity(method):
            enrolment = await self._enrolment(grant)
            if enrolment.totp_secret is None:
                raise NotEnrolled("no_authenticator")

            after = await self._demand(self._spending(method, otp, enrolment), grant, caller.visitor)
        if method == AuthType.RECOVERY_CODE:
            # The used code needs no mail of its own: a mail about the removal follows.
            log.warning("totp_remove.recovery_code_used", uid=grant.uid, left=len(after.recovery_hashes))
        now = self._clock()
        await self._update(grant, lambda enrolment: enrolment.remove(now=now))
        await self._second_factor.tell("authenticator_removed", grant, visitor=caller.visitor)

    async def recovery_codes(self, *, token: str, current_otp: str | None, caller: Caller) -> tuple[str, ...]:
        """Replace the recovery codes by ten new ones.

        Raises NotEnrolled when there is no app, or when *current_otp* is needed and missing. Raises WrongOtp, Flood or
        FactorBusy.
        """
        grant = await self._read_grant(token, caller)
        await self._flood.proposal(grant.uid)
        with self._recovery.capacity():
            enrolment = await self._enrolment(grant)
            enrolment.renew(())
            demand_current(enrolment, grant, current_otp)
            grant = await self._prove_current(grant, current_otp, caller.visitor)
            await self._count_mail(grant)
            codes, hashes = await self._recovery.make()
        await self._update(grant, lambda found: unreplaced(found, grant).renew(hashes))
        await self._second_factor.tell("recovery_new", grant, visitor=caller.visitor)
        return codes

    async def _read_grant(self, token: str, caller: Caller) -> Grant:
        """Return what *token* grants. Raises Disabled, TransactionClosed and StoreUnavailable."""
        if not self._second_factor.enabled:
            raise Disabled
        grant = self._second_factor.read_manage_token(token, client=caller.client)
        bind_contextvars(uid=grant.uid)
        await self._second_factor.demand_initialised()
        # Before anything is counted: a void token must not use up the account's limits.
        await self._enrolment(grant)
        return grant

    async def _enrolment(self, grant: Grant) -> Enrolment:
        return unrevoked(await self._enrolments.find(grant.uid), grant)

    async def _update(self, grant: Grant, change: Callable[[Enrolment], Enrolment]) -> None:
        await self._enrolments.update(grant.uid, lambda found: change(unrevoked(found, grant)))

    async def _prove_current(self, grant: Grant, current_otp: str | None, visitor: Visitor) -> Grant:
        """Use *current_otp* up; return *grant* as if the user had logged in with that code.

        Called while capacity is held. A grant that needs no such proof is returned as it is. Raises as `_demand` does.
        """
        enrolment = await self._enrolment(grant)
        if current_otp is None or not needs_current(enrolment, grant):
            return grant
        method = method_of(current_otp)
        after = await self._demand(self._spending(method, current_otp, enrolment), grant, visitor)
        if method == AuthType.RECOVERY_CODE:
            # The used code needs no mail of its own: a mail about the change follows.
            log.warning("enrolment.recovery_code_used", uid=grant.uid, left=len(after.recovery_hashes))
        return replace(grant, method=method)

    def _spending(self, method: AuthType, otp: str, enrolment: Enrolment) -> Callable[[], Awaitable[Enrolment | None]]:
        """Return a check for `_demand` that uses *otp* up in *enrolment*."""
        # No login is open here, so there is no transaction's secret.
        return lambda: self._second_factor.spend(method, otp, secret=b"", enrolment=enrolment)

    async def _demand(self, check: Callable[[], Awaitable[Value | None]], grant: Grant, visitor: Visitor) -> Value:
        """Run *check* and return its result.

        The try is counted before *check* runs, as one of the account's wrong codes. Raises WrongOtp, AccountLocked and
        Flood.
        """
        known_network = await self._flood.demand_unlocked(grant.uid, visitor.address)
        reserved = await self._flood.guess(grant.uid, visitor.address, known_network=known_network)
        found = await check()
        if found is not None:
            # Only this try is given back. A login clears the whole count. Here it stays, because a code of a newly
            # proposed secret does not prove who the user is.
            await self._flood.release(reserved)
            return found
        await self._second_factor.reject(grant, reserved, known_network=known_network, visitor=visitor)
        raise WrongOtp(attempts_left=max(0, SOFT_FAILURES - reserved.counts[0]))

    async def _count_mail(self, grant: Grant) -> None:
        """Count the mail about a change, so that repeated requests can't fill the user's mailbox. Raises Flood."""
        destinations = [("email", grant.mail)] if grant.mail else []
        await self._flood.deliveries(grant.uid, destinations, known_network=False, now=self._clock())


def unrevoked(found: Enrolment | None, grant: Grant) -> Enrolment:
    """Return *found*, or an empty enrolment if it is None. Raises TransactionClosed if *grant* is void."""
    enrolment = found or Enrolment(uid=grant.uid)
    if grant.at <= enrolment.revoked_at:
        raise TransactionClosed("revoked")
    return enrolment


def needs_current(enrolment: Enrolment, grant: Grant) -> bool:
    """Return whether *grant* proves too little to replace what is enrolled: it was given for a code that was sent."""
    return enrolment.totp_secret is not None and grant.method not in ENROLLED


def demand_current(enrolment: Enrolment, grant: Grant, current_otp: str | None) -> None:
    """Raise NotEnrolled when *current_otp* is needed and missing."""
    if current_otp is None and needs_current(enrolment, grant):
        raise NotEnrolled("current_otp")


def unreplaced(enrolment: Enrolment, grant: Grant) -> Enrolment:
    """Return *enrolment*.

    Raises NotEnrolled when an app was added in the meantime, and *grant* does not prove that the user has it.
    """
    demand_current(enrolment, grant, None)
    return enrolment


def method_of(typed: str) -> AuthType:
    """Return the method that *typed* looks like: an app's code, or else a recovery code."""
    return AuthType.AUTHENTICATOR if 0 < len(digits_of(typed)) <= MOST_DIGITS else AuthType.RECOVERY_CODE
