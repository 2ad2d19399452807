"""Applies the policy to one login, and keeps the devices that it remembers."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256

import structlog

from gateway.account import Account, Caller, Client, Enrolment, Visitor
from gateway.delivery.notices import Notices, notice
from gateway.errors import PolicyUnreadable, StoreUnavailable
from gateway.interfaces import Enrolments
from gateway.policy.devices import Remembered, Use, give_back, new_token, present, remember, renewed
from gateway.policy.options import RememberOptions
from gateway.policy.rules import Decision, Policy, Reason

log = structlog.get_logger()

DAY_SECONDS = 86_400
# With this permission users see their roles, but can also administer all users. The hook below is the safe way.
PERMISSION = "administer users"
SHOW_ROLES = "hook_entity_field_access: allow 'view' of a user's own `roles` (docs/rollout.md)"


class PolicyCheck:
    """Decides whether a login needs a code. It is the only reader of the tokens of remembered devices."""

    def __init__(
        self,
        policy: Policy,
        options: RememberOptions,
        *,
        enrolments: Enrolments,
        notices: Notices,
        clock: Callable[[], float],
    ) -> None:
        self._policy = policy
        # A frozen dataclass of plain values: its text is the same in every process.
        self._digest = sha256(_as_text(policy).encode()).hexdigest()[:8]
        self._options = options
        self._enrolments = enrolments
        self._notices = notices
        self._clock = clock
        if policy.observes:
            log.warning(
                "policy.observes", why="no login needs a code; use it only to find the accounts that could not log in"
            )

    @property
    def observes(self) -> bool:
        """Whether policy only observes: then a login succeeds even if no code could be asked for."""
        return self._policy.observes

    def exemption(self, reason: Reason) -> str:
        """Return *reason* together with a digest of the policy, as a sealed session keeps it."""
        return f"{reason}.{self._digest}"

    def still_exempts(self, exemption: str, visitor: Visitor) -> bool:
        """Return whether a session with this *exemption* may act: under the same policy, and from an exempt network."""
        reason, _, digest = exemption.partition(".")
        if digest != self._digest:
            return False
        return reason != Reason.NETWORK or self._policy.exempts_network(vouched(visitor))

    async def decide(
        self,
        account: Account,
        *,
        username: str,
        auth_type: str | None,
        token: str | None,
        reachable: Sequence[str],
        caller: Caller,
    ) -> tuple[Decision, Remembered | None]:
        """Decide on a login whose password was right. Raises PolicyUnreadable, NoDestination or NotEnrolled.

        The token of a remembered device is read, and replaced, only if the decision depends on it.
        """
        remembered = None
        address = vouched(caller.visitor)
        if token and self._options.days and auth_type is None and not self._policy.exempts_network(address):
            remembered = await self._present(account, token, username=username, caller=caller)
        try:
            decision = self._policy.decide(
                address=address,
                roles=account.roles,
                remembered=remembered is not None,
                reachable=reachable,
                asked=auth_type,
            )
        except PolicyUnreadable:
            log.warning("policy.unreadable", permission=PERMISSION, change=SHOW_ROLES)
            raise
        if decision.would_fail:
            log.warning("authenticate.would_fail", reason=decision.would_fail)
        if decision.exempt:
            log.info("authenticate.exempted", reason=decision.exempt)
        return decision, remembered

    async def _present(self, account: Account, token: str, *, username: str, caller: Caller) -> Remembered | None:
        """Return the token that replaces *token*, or None if no device is remembered by it."""
        following, now, use = renewed(token), self._clock(), Use.UNKNOWN

        def change(enrolment: Enrolment | None) -> Enrolment | None:
            nonlocal use
            after, use = present(enrolment, token=token, client=caller.client.id, following=following, now=now)
            return after

        try:
            await self._enrolments.update(account.uid, change)
        except StoreUnavailable as error:
            # The user is asked for a code. If the store is down, the next step of the login will fail.
            log.warning("authenticate.token_unread", reason=error.reason)
            return None
        if use is Use.REPLAYED:
            log.warning("attack.device_replayed", uid=account.uid)
            mail = notice("replayed", account, username=username, now=now, browser=caller.visitor.user_agent)
            await self._notices.tell(mail, uid=account.uid)
        return Remembered(uid=account.uid, token=following) if use is Use.RENEWED else None

    async def remember(self, uid: str, *, client: Client) -> Remembered | None:
        """Remember the device from which the right code came; None where policy remembers no devices."""
        if not self._options.days:
            return None
        token, now = new_token(), self._clock()

        def add(enrolment: Enrolment | None) -> Enrolment:
            return remember(
                enrolment,
                uid=uid,
                token=token,
                client=client.id,
                now=now,
                expires_at=now + self._options.days * DAY_SECONDS,
                most=self._options.devices,
            )

        try:
            await self._enrolments.update(uid, add)
        except StoreUnavailable as error:
            # The code was right, so the login goes on. The device will be asked for a code again.
            log.warning("login.not_remembered", reason=error.reason)
            return None
        return Remembered(uid=uid, token=token)

    async def give_back(self, remembered: Remembered | None) -> None:
        """Make the previous token valid again: the answer with the new one was not written."""
        if remembered is None:
            return
        with contextlib.suppress(StoreUnavailable):
            await self._enrolments.update(remembered.uid, lambda known: give_back(known, token=remembered.token))


def vouched(visitor: Visitor) -> str | None:
    """Return the address by which a network can be exempt.

    Behind a proxy that is not in trusted_proxies, every visitor would have the proxy's address.
    """
    return None if visitor.unvouched else visitor.address


def _as_text(policy: Policy) -> str:
    # Sets have no order that two processes share.
    values = asdict(policy)
    return repr({name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()})
