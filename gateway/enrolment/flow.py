"""Adding and taking away an authenticator app and its recovery codes, for whoever has just passed a second factor."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from structlog.contextvars import bind_contextvars

from gateway.account import Client, Enrolment, Grant, Visitor
from gateway.auth_types import AUTHENTICATOR, RECOVERY_CODE
from gateway.delivery.notices import Notices, notice
from gateway.errors import Disabled, NotEnrolled, TransactionClosed, WrongOtp
from gateway.factors import RecoveryCodes, Totp, digits_of, qr_of, text_of
from gateway.flood.gate import Floodgate
from gateway.flood.limits import SOFT_FAILURES
from gateway.interfaces import Enrolments, Subject
from gateway.login.manage_token import LIFETIME_SECONDS, ManageTokens
from gateway.login.second_factor import SecondFactor

log = structlog.get_logger()

Value = TypeVar("Value")

# No app shows more digits; a recovery code has twice as many characters.
MOST_DIGITS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposed:
    """A secret for an app, in the three ways in which it gets there: typed, by a link, by the camera."""

    secret: str = field(repr=False)
    otpauth: str = field(repr=False)
    qr: str = field(repr=False)


class EnrolmentFlow:
    """enroll, confirm, remove and recovery_codes, over any store. Each raises TransactionClosed for a bad token.

    Each raises Disabled where apps are not allowed, and StoreUnavailable for a store that may have been emptied.
    """

    def __init__(
        self,
        *,
        enabled: bool,
        totp: Totp,
        recovery: RecoveryCodes,
        proof: SecondFactor,
        enrolments: Enrolments,
        flood: Floodgate,
        tokens: ManageTokens,
        notices: Notices,
        clock: Callable[[], float],
    ) -> None:
        self._enabled = enabled
        self._totp = totp
        self._recovery = recovery
        self._proof = proof
        self._enrolments = enrolments
        self._flood = flood
        self._tokens = tokens
        self._notices = notices
        self._clock = clock

    async def enroll(self, *, token: str, client: Client) -> Proposed:
        """Propose a secret; what is enrolled stays until `confirm`, and a second proposal replaces the first.

        Raises Flood.
        """
        grant = await self._granted(token, client)
        await self._flood.proposal(grant.uid)
        secret = self._totp.secret()
        until = self._clock() + LIFETIME_SECONDS
        await self._update(grant, lambda enrolment: enrolment.propose(secret, until=until))
        uri = self._totp.uri(secret, grant.username)
        return Proposed(secret=text_of(secret), otpauth=uri, qr=qr_of(uri))

    async def confirm(self, *, token: str, otp: str, client: Client, visitor: Visitor) -> tuple[str, ...]:
        """Enrol the proposed secret for its first code, and return ten recovery codes.

        Raises NotEnrolled when nothing was proposed, WrongOtp, Flood or FactorBusy.
        """
        grant = await self._granted(token, client)
        # Also what is refused takes room for a moment, so asking is counted.
        await self._flood.change(grant.uid)
        now = self._clock()
        with self._recovery.room():
            secret = (await self._known(grant)).proposed(now=now)

            async def first_code() -> int | None:
                return self._totp.step(secret, otp, now=now, after=0)

            step = await self._demand(first_code, grant, visitor)
            await self._count_mail(grant)
            codes, hashes = await self._recovery.make()
        await self._update(grant, lambda known: known.confirm(secret, step=step, recovery_hashes=hashes))
        await self._mail("authenticator_added", grant, visitor)
        return codes

    async def remove(self, *, token: str, otp: str, client: Client, visitor: Visitor) -> None:
        """Take app and recovery codes away, for a code of either.

        Raises NotEnrolled when there is no app, WrongOtp, Flood or FactorBusy.
        """
        grant = await self._granted(token, client)
        await self._flood.change(grant.uid)
        method = method_of(otp)
        with self._proof.room(method):
            if (await self._known(grant)).totp_secret is None:
                raise NotEnrolled("no_authenticator")
            spent = await self._demand(lambda: self._proof.spend(grant.uid, method, otp), grant, visitor)
        if method == RECOVERY_CODE:
            # No mail of its own: the one about the removal is sent anyway.
            log.warning("totp_remove.recovery_code_used", uid=grant.uid, left=len(spent.recovery_hashes))
        now = self._clock()
        await self._update(grant, lambda enrolment: enrolment.remove(now=now))
        await self._mail("authenticator_removed", grant, visitor)

    async def recovery_codes(self, *, token: str, client: Client, visitor: Visitor) -> tuple[str, ...]:
        """Ten new ones; the old ones die. Raises NotEnrolled when there is no app, Flood or FactorBusy."""
        grant = await self._granted(token, client)
        await self._flood.proposal(grant.uid)
        with self._recovery.room():
            (await self._known(grant)).renew(())
            await self._count_mail(grant)
            codes, hashes = await self._recovery.make()
        await self._update(grant, lambda enrolment: enrolment.renew(hashes))
        await self._mail("recovery_new", grant, visitor)
        return codes

    async def _granted(self, token: str, client: Client) -> Grant:
        if not self._enabled:
            raise Disabled
        grant = self._tokens.read(token, client=client.id)
        bind_contextvars(uid=grant.uid)
        await self._proof.demand_initialised()
        # Before anything is counted: what was taken back takes nothing from the account.
        await self._known(grant)
        return grant

    async def _known(self, grant: Grant) -> Enrolment:
        return unrevoked(await self._enrolments.find(grant.uid), grant)

    async def _update(self, grant: Grant, change: Callable[[Enrolment], Enrolment]) -> None:
        await self._enrolments.update(grant.uid, lambda found: change(unrevoked(found, grant)))

    async def _demand(self, check: Callable[[], Awaitable[Value | None]], grant: Grant, visitor: Visitor) -> Value:
        """What *check* finds; counted before it is compared, with the account's wrong codes.

        Raises WrongOtp, AccountLocked and Flood.
        """
        known_network = await self._flood.demand_unlocked(grant.uid, visitor.address)
        reserved = await self._flood.guess(grant.uid, visitor.address, known_network=known_network)
        found = await check()
        if found is not None:
            # Not cleared, as a login clears it: the first code of a secret of one's own is no proof of anything.
            await self._flood.release(reserved)
            return found
        for lock in await self._flood.code_rejected(grant.uid, reserved, known_network=known_network):
            log.warning(lock, uid=grant.uid)
            await self._mail("locked", grant, visitor)
        raise WrongOtp(attempts_left=max(0, SOFT_FAILURES - reserved.counts[0]))

    async def _count_mail(self, grant: Grant) -> None:
        """Whoever has a token can ask again and again: the mailbox is not to be filled with that."""
        where = [("email", grant.mail)] if grant.mail else []
        await self._flood.deliveries(where, known_network=False, now=self._clock())

    async def _mail(self, subject: Subject, grant: Grant, visitor: Visitor) -> None:
        now = self._clock()
        told = notice(subject, grant, username=grant.username, now=now, browser=visitor.user_agent)
        await self._notices.tell(told, uid=grant.uid)


def unrevoked(found: Enrolment | None, grant: Grant) -> Enrolment:
    """What *grant* may change; an empty enrolment for none. Raises TransactionClosed if it was taken back."""
    enrolment = found or Enrolment(uid=grant.uid)
    if grant.at <= enrolment.revoked_at:
        raise TransactionClosed("revoked")
    return enrolment


def method_of(typed: str) -> str:
    """What *typed* looks like: an app's code, or else a recovery code."""
    return AUTHENTICATOR if 0 < len(digits_of(typed)) <= MOST_DIGITS else RECOVERY_CODE
