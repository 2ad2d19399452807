"""Applies the policy to one login, and keeps the devices that it remembers."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from gateway.account import Account, Client, DrupalSession, Enrolment, Visitor
from gateway.delivery.notices import Notices, notice
from gateway.errors import DrupalInvalid, PolicyUnreadable, StoreUnavailable
from gateway.interfaces import Enrolments
from gateway.policy.devices import Remembered, Use, give_back, new_token, present, remember, renewed
from gateway.policy.options import RememberOptions
from gateway.policy.rules import Decision, Policy

log = structlog.get_logger()

DAY_SECONDS = 86_400
# What shows people their roles. Granting the permission instead would let them administer everybody.
PERMISSION = "administer users"
SHOW_ROLES = "hook_entity_field_access: allow 'view' of a user's own `roles` (docs/rollout.md)"


class PolicyCheck:
    """Says of each login whether it needs a code; the only one that looks at tokens of remembered devices."""

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
        self._options = options
        self._enrolments = enrolments
        self._notices = notices
        self._clock = clock
        if policy.observes:
            log.warning("policy.observes", why="nobody needs a code: to find out who could not log in, and no longer")

    async def account(self, described: Awaitable[Account], session: DrupalSession) -> Account:
        """What Drupal shows; who is only observed may log in even where it shows nothing."""
        try:
            return await described
        except DrupalInvalid:
            if not self._policy.observes:
                raise
            return Account(uid=session.uid, profile={"uid": [{"value": int(session.uid)}]})

    async def judge(
        self,
        account: Account,
        *,
        username: str,
        auth_type: str | None,
        token: str | None,
        reachable: Sequence[str],
        client: Client,
        visitor: Visitor,
    ) -> tuple[Decision, Remembered | None]:
        """Rule on a login whose password was right. Raises PolicyUnreadable, NoDestination, NotEnrolled.

        A token is looked at only where it decides, and costs nothing where there is none.
        """
        remembered = None
        # Behind a proxy that nobody named, everybody would have its address.
        address = None if visitor.unvouched else visitor.address
        if token and self._options.days and auth_type is None and not self._policy.exempts_network(address):
            remembered = await self._present(account, token, username=username, client=client, visitor=visitor)
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

    async def _present(
        self, account: Account, token: str, *, username: str, client: Client, visitor: Visitor
    ) -> Remembered | None:
        """The token that takes the place of *token*, or None for one that opens nothing."""
        following, now, use = renewed(token), self._clock(), Use.UNKNOWN

        def change(enrolment: Enrolment | None) -> Enrolment | None:
            nonlocal use
            after, use = present(enrolment, token=token, client=client.id, following=following, now=now)
            return after

        try:
            await self._enrolments.update(account.uid, change)
        except StoreUnavailable as error:
            # Who can't be recognised is asked, like everybody; a store that is away will say so by itself.
            log.warning("authenticate.token_unread", reason=error.reason)
            return None
        if use is Use.REPLAYED:
            log.warning("attack.device_replayed", uid=account.uid)
            told = notice("replayed", account, username=username, now=now, browser=visitor.user_agent)
            await self._notices.tell(told, uid=account.uid)
        return Remembered(uid=account.uid, token=following) if use is Use.RENEWED else None

    async def remember(self, uid: str, *, client: Client) -> Remembered | None:
        """Remember the device that has just proven its code, if policy does so at all."""
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
            # The code was right; not being remembered is no reason to refuse it.
            log.warning("login.not_remembered", reason=error.reason)
            return None
        return Remembered(uid=uid, token=token)

    async def give_back(self, remembered: Remembered | None) -> None:
        """The answer with the token did not leave: the one before stands again."""
        if remembered is None:
            return
        with contextlib.suppress(StoreUnavailable):
            await self._enrolments.update(remembered.uid, lambda known: give_back(known, token=remembered.token))
