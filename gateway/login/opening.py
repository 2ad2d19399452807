"""From a session that Drupal has opened to a login that waits for its code, or that needs none.

The session is parked already. Whatever goes wrong here, it is left to the reaper.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from gateway.account import Account, Caller, Visitor, undescribed
from gateway.errors import DrupalInvalid, GatewayError
from gateway.flood.gate import Floodgate
from gateway.interfaces import Authenticator, Backend
from gateway.login.methods import destinations, messages
from gateway.login.outcome import Checked, Granted, Pending, as_pending
from gateway.login.parking import Parking
from gateway.login.password_tests import WITHOUT_CODE, PasswordTests
from gateway.login.rules import LoginRules
from gateway.policy.check import PolicyCheck
from gateway.policy.devices import Remembered
from gateway.policy.rules import Decision
from gateway.transaction import Transaction

log = structlog.get_logger()


class Opening:
    """Reads the account, asks policy, opens the transaction and sends its code."""

    def __init__(
        self,
        *,
        drupal: Authenticator,
        backend: Backend,
        parking: Parking,
        flood: Floodgate,
        policy: PolicyCheck,
        password_tests: PasswordTests,
        rules: LoginRules,
        clock: Callable[[], float],
    ) -> None:
        self._drupal = drupal
        self._transactions = backend.transactions
        self._outbox = backend.outbox
        self._parking = parking
        self._flood = flood
        self._policy = policy
        self._password_tests = password_tests
        self._rules = rules
        self._clock = clock

    async def open(
        self, checked: Checked, *, auth_type: str | None, caller: Caller, remember_token: str | None
    ) -> Pending | Granted:
        """Send a code for the login that Drupal accepted, or grant it at once if policy asks for none.

        Raises NotEnrolled, NoDestination, Flood, DrupalInvalid, DrupalTimeout or Unavailable.
        """
        account = None
        try:
            account = await self._describe(checked, caller)
            if not checked.username:
                # Nobody typed a name here, so the login gets the account's own name, or else its uid.
                checked = replace(checked, username=account.name or account.uid)
            decision, remembered = await self._policy.decide(
                account,
                username=checked.username,
                auth_type=auth_type,
                token=remember_token,
                reachable=self._rules.methods(account, checked.enrolment),
                caller=caller,
            )
            if decision.exempt:
                return await self._grant_without_code(checked, account, decision, remembered)
            return await self._open(checked, account, decision, caller)
        except BaseException as error:
            await self._parking.leave_to_the_reaper(checked.key)
            if isinstance(error, WITHOUT_CODE):
                await self._password_tests.count(checked, account, caller.visitor)
            raise

    async def _describe(self, checked: Checked, caller: Caller) -> Account:
        """Read the user's account at Drupal, with their own session."""
        try:
            account = await self._drupal.describe(checked.session, visitor=caller.visitor)
        except DrupalInvalid:
            # While policy only observes, users log in even if Drupal shows nothing of their account.
            if not self._policy.observes:
                raise
            account = undescribed(checked.session)
        return self._rules.reachable(account, caller.visitor)

    async def _grant_without_code(
        self, checked: Checked, account: Account, decision: Decision, remembered: Remembered | None
    ) -> Granted:
        """Hand the session over at once: policy asks for no code."""
        try:
            # As for a right code: if the process dies before the answer is written, the reaper ends the session.
            await self._parking.mark_delivering(checked.key)
        except BaseException:
            await asyncio.shield(self._policy.give_back(remembered))
            raise
        return Granted(
            key=checked.key,
            uid=checked.session.uid,
            session=checked.session,
            hand_over=self._drupal.hand_over(checked.session),
            profile=account.profile,
            exempt=decision.exempt,
            remembered=remembered,
        )

    async def _open(self, checked: Checked, account: Account, decision: Decision, caller: Caller) -> Pending:
        """Open the transaction and send its code."""
        key, now = checked.key, self._clock()
        pending = self._rules.open(checked, account, decision, client=caller.client, now=now)
        # Together, in one round trip, and in this order: a code must never arrive for a transaction that can't be
        # found. If flood control refuses, nothing is sent either: the courier asks whether a message was counted.
        try:
            displaced, _, _ = await asyncio.gather(
                self._transactions.create(key, pending, most=self._rules.per_account, now=now),
                self._flood.deliveries(
                    pending.uid, destinations(pending), known_network=pending.known_network, now=now
                ),
                self.send(key, pending, caller.visitor, now=now),
            )
        except GatewayError:
            # The login is ended at once, so that a refused login does not count as one of the account's open ones. No
            # other login is displaced.
            await self._parking.end(key)
            raise
        for other in displaced:
            log.info("authenticate.displaced", transaction=other)
            await self._parking.end(other)
        return as_pending(checked.id, pending, now=self._clock())

    async def send(self, key: str, pending: Transaction, visitor: Visitor, *, now: float) -> None:
        """Put the messages of *pending* into the outbox."""
        several = messages(key, pending, browser=visitor.user_agent, now=now, fallback=self._rules.fallback)
        if len(several) == 1:
            await self._outbox.put(several[0])
        else:
            await asyncio.gather(*(self._outbox.put(message) for message in several))
