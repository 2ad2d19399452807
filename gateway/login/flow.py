"""Every step of a login, in its order: the one place that knows it.

A session of Drupal's is parked before anything else is done with it, and from then on somebody answers for it: the
answer that hands it over, or the reaper.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog
from structlog.contextvars import bind_contextvars

from gateway.account import Account, Client, DrupalSession, Enrolment, Visitor
from gateway.collation import fold
from gateway.delivery.notices import Notices, notice
from gateway.errors import (
    BadCredentials,
    DeliveryUnavailable,
    DrupalInvalid,
    FactorBusy,
    Flood,
    GatewayError,
    TransactionClosed,
    Unavailable,
    WrongOtp,
)
from gateway.flood.gate import Floodgate, Reserved
from gateway.interfaces import Authenticator, Backend, Factor, Message
from gateway.languages import Choice
from gateway.login.manage_token import ManageTokens, granted
from gateway.login.methods import awaited, destinations, dialable, message_ids, messages, was_sent
from gateway.login.outcome import Granted, Pending, Progress, Rules, as_pending, progress, waiting
from gateway.login.parking import Parking
from gateway.login.refusal_timing import RefusalTiming
from gateway.login.second_factor import SecondFactor
from gateway.policy.check import PolicyCheck
from gateway.policy.devices import Remembered
from gateway.transaction import State, Transaction, new_id, transaction_key

log = structlog.get_logger()


class LoginFlow:
    """authenticate, login, resend, status, cancel and logout, over any store, Drupal and set of channels."""

    def __init__(
        self,
        *,
        drupal: Authenticator,
        backend: Backend,
        parking: Parking,
        factor: Factor,
        proof: SecondFactor,
        tokens: ManageTokens,
        channels: frozenset[str],
        methods: Callable[[Account, Enrolment | None], tuple[str, ...]],
        rules: Rules,
        flood: Floodgate,
        exemption: PolicyCheck,
        notices: Notices,
        alike: RefusalTiming,
        languages: Choice,
        index: Callable[..., str],
        clock: Callable[[], float],
    ) -> None:
        self._drupal = drupal
        self._transactions = backend.transactions
        self._parking = parking
        self._outbox = backend.outbox
        self._factor = factor
        self._proof = proof
        self._tokens = tokens
        self._channels = channels
        self._methods = methods
        self._rules = rules
        self._flood = flood
        self._exemption = exemption
        self._notices = notices
        self._alike = alike
        self._languages = languages
        self._index = index
        self._clock = clock

    # Authenticate

    async def authenticate(
        self,
        *,
        username: str,
        password: str,
        auth_type: str | None,
        client: Client,
        visitor: Visitor,
        remember_token: str | None = None,
    ) -> Pending | Granted:
        """Have Drupal check the password, park its session, and send a code; or win at once if policy asks for none.

        Raises BadCredentials, Flood, AccountLocked, NotEnrolled, NoDestination, DrupalInvalid, DrupalTimeout or
        Unavailable. Whatever is raised after Drupal opened a session, that session is ended.
        """
        if not self._channels:
            raise DeliveryUnavailable("no_channel")
        bind_contextvars(account=self._index("account", fold(username))[:11])
        await self._proof.demand_initialised()
        reserved = await self._flood.password(username, visitor.address)
        session = await self._checked(username, password, visitor, reserved=reserved)
        bind_contextvars(uid=session.uid)
        id = new_id()
        key = transaction_key(id)
        # One end for both: a session that was due before its transaction would be ended under a valid code.
        until = self._clock() + self._rules.lifetime_seconds
        # In one breath, and so in one round trip; but nothing else happens unless the session is parked.
        parked, known_network, enrolment, _ = await asyncio.gather(
            self._parking.park(key, session, until=until),
            self._flood.demand_unlocked(session.uid, visitor.address),
            self._proof.enrolment(session.uid),
            self._flood.password_accepted(reserved),
            return_exceptions=True,
        )
        if parked is not None:
            raise parked
        try:
            if isinstance(known_network, BaseException):
                raise known_network
            if isinstance(enrolment, BaseException):
                raise enrolment
            described = await self._exemption.account(self._drupal.describe(session, visitor=visitor), session)
            account = replace(
                dialable(described, channels=self._channels, numbers=self._rules.numbers),
                language=self._languages.of(described.language, visitor.accept_language),
            )
            decision, remembered = await self._exemption.judge(
                account,
                username=username,
                auth_type=auth_type,
                token=remember_token,
                reachable=self._methods(account, enrolment),
                client=client,
                visitor=visitor,
            )
            if decision.exempt:
                return await self._exempted(key, session, account, remembered)
            pending = waiting(
                account,
                decision,
                username=username,
                client=client,
                secret=self._factor.challenge(),
                rules=self._rules,
                now=self._clock(),
                until=until,
                known_network=known_network,
            )
            await self._open(key, pending, visitor)
        except BaseException:
            await self._parking.leave_to_the_reaper(key)
            raise
        return as_pending(id, pending, now=self._clock())

    async def _checked(self, username: str, password: str, visitor: Visitor, *, reserved: Reserved) -> DrupalSession:
        began = asyncio.get_running_loop().time()
        try:
            session = await self._drupal.authenticate(
                name=username, password=password, visitor=visitor, late=self._parking.end_unparked
            )
        except BadCredentials:
            await self._alike.wait(since=began)
            raise
        except (Flood, Unavailable, DrupalInvalid) as error:
            # No password was refused. A time-out stays counted: Drupal may have refused unheard.
            await self._flood.release(reserved)
            if isinstance(error, Flood):
                self._flood.drupal_refused(reserved)
            raise
        self._alike.remember(asyncio.get_running_loop().time() - began)
        return session

    async def _exempted(
        self, key: str, session: DrupalSession, account: Account, remembered: Remembered | None
    ) -> Granted:
        try:
            # As for a right code: a process that dies before the answer is written leaves it to the reaper.
            await self._parking.mark_delivering(key)
        except BaseException:
            await asyncio.shield(self._exemption.give_back(remembered))
            raise
        return Granted(
            key=key,
            uid=session.uid,
            session=session,
            hand_over=self._drupal.hand_over(session),
            profile=account.profile,
            remembered=remembered,
        )

    async def _open(self, key: str, pending: Transaction, visitor: Visitor) -> None:
        now = self._clock()
        # In one breath, and in this order: a code must never arrive for a transaction that nobody can find. What
        # flood control refuses is not sent either: the courier asks whether it was counted.
        try:
            displaced, _, _ = await asyncio.gather(
                self._transactions.create(key, pending, most=self._rules.per_account, now=now),
                self._flood.deliveries(destinations(pending), known_network=pending.known_network, now=now),
                self._send(messages(key, pending, browser=visitor.user_agent, now=now, fallback=self._rules.fallback)),
            )
        except GatewayError:
            # At once: what is refused must not count as one of the account's open ones, and displaces none.
            await self._parking.end(key)
            raise
        for other in displaced:
            log.info("authenticate.displaced", transaction=other)
            await self._parking.end(other)

    async def _send(self, several: list[Message]) -> None:
        if len(several) == 1:
            await self._outbox.put(several[0])
        else:
            await asyncio.gather(*(self._outbox.put(message) for message in several))

    # Login

    async def login(
        self,
        *,
        username: str,
        id: str,
        auth_type: str,
        otp: str,
        client: Client,
        visitor: Visitor,
        remember: bool = False,
    ) -> Granted:
        """Win the transaction with the right code.

        Raises WrongOtp, Flood for an address with too many wrong ones, FactorBusy, and TransactionClosed for everything
        that must look alike. The caller writes the answer and says `delivered` or `lost`.
        """
        key = transaction_key(id)
        seen = await self._bound(key, username=username, auth_type=auth_type, client=client)
        now = self._clock()
        # Counted first: whoever may not guess takes no room from who may.
        reserved = await self._flood.guess(seen.uid, visitor.address, known_network=seen.known_network)
        try:
            with self._proof.room(auth_type):
                # A transaction's secret never changes, so this is true of whatever the swap is tried on.
                is_sent = self._proof.is_sent_code(seen, otp)
                # Fetched along when it will most likely be needed; what counts is who wins the swap.
                fetched = self._parking.take_for_handover(key, now=now) if is_sent else nothing()
                attempt = self._proof.attempt(key, seen, otp, is_sent=is_sent, browser=visitor.user_agent)
                after, session = await asyncio.gather(attempt, fetched)
        except (TransactionClosed, FactorBusy):
            # Lost to another answer, or no room: nothing was compared that anybody hears of.
            await self._flood.release(reserved)
            raise
        if after.state is not State.DELIVERING:
            await self._wrong(key, after, visitor, reserved=reserved)
            raise WrongOtp(attempts_left=after.attempts_left)
        session = session or await self._parking.take_for_handover(key, now=now)
        return Granted(
            key=key,
            uid=after.uid,
            address=visitor.address,
            known_network=after.known_network,
            session=session,
            hand_over=self._drupal.hand_over(session),
            profile=after.profile,
            manage_token=self._tokens.give(granted(after, at=now), client=client.id),
            reserved=reserved,
            remembered=await self._exemption.remember(after.uid, client=client) if remember else None,
        )

    async def _bound(self, key: str, *, username: str, client: Client, auth_type: str | None = None) -> Transaction:
        pending = await self._transactions.find(key)
        pending.demand_bound(username=username, client=client.id, auth_type=auth_type)
        pending.demand_open(now=self._clock())
        bind_contextvars(uid=pending.uid)
        return pending

    async def _wrong(self, key: str, after: Transaction, visitor: Visitor, *, reserved: Reserved) -> None:
        if after.state is State.ENDED:
            await self._parking.leave_to_the_reaper(key)
        for lock in await self._flood.code_rejected(after.uid, reserved, known_network=after.known_network):
            log.warning(lock, uid=after.uid)
            told = notice("locked", after, username=after.username, now=self._clock(), browser=visitor.user_agent)
            await self._notices.tell(told, uid=after.uid)

    async def delivered(self, won: Granted) -> None:
        """The answer's last byte was written: the session is the frontend's now."""
        if await self._parking.forget(won.key, uid=won.uid) and won.reserved:
            await self._flood.code_accepted(won.uid, won.address, won.reserved, known_network=won.known_network)

    async def lost(self, won: Granted) -> None:
        """The answer did not leave: nobody holds the session, so it ends. The code was right all the same."""
        await asyncio.gather(
            self._end_now(won),
            self._exemption.give_back(won.remembered),
            self._flood.release(won.reserved) if won.reserved else nothing(),
        )

    async def _end_now(self, won: Granted) -> None:
        if await self._parking.end_now(won.key, session=won.session):
            log.info("reaper.logged_out", uid=won.uid, transaction=won.key)

    # Resend, status, cancel, logout

    async def resend(
        self, *, username: str, id: str, auth_type: str, switch_to: str | None, client: Client, visitor: Visitor
    ) -> Pending:
        """Send the same code again, or by another method; or ask for one that sends nothing.

        Raises TransactionClosed, TooSoon, NotEnrolled, and Flood for a destination that has had too many messages.
        """
        key = transaction_key(id)
        seen = await self._bound(key, username=username, auth_type=auth_type, client=client)
        method = switch_to or auth_type
        ids = message_ids(method)
        now = self._clock()

        def reissue(pending: Transaction) -> Transaction:
            if was_sent(pending, method) and not pending.may_be_resent(now=now):
                return pending.switch(auth_type=method, now=now)
            return pending.reissue(
                now=now, wait_seconds=self._rules.resend_wait_seconds, messages=ids, auth_type=method
            )

        # Tried first on what was read: a message that may not be sent is not counted.
        tried = reissue(seen)
        if tried.messages == ids:
            await self._flood.deliveries(destinations(tried), known_network=seen.known_network, now=now)
        after = await self._transactions.update(key, reissue, seen=seen)
        if after.messages == ids:
            await self._send(messages(key, after, browser=visitor.user_agent, now=now, fallback=self._rules.fallback))
        return as_pending(id, after, now=now)

    async def status(self, *, username: str, id: str, client: Client) -> Progress:
        """Where the login stands. Raises TransactionClosed."""
        pending = await self._bound(transaction_key(id), username=username, client=client)
        words = await self._outbox.words(awaited(pending))
        return progress(pending, words, now=self._clock())

    async def cancel(self, *, username: str, id: str, client: Client) -> None:
        """End the login and Drupal's session with it. Raises TransactionClosed."""
        key = transaction_key(id)
        seen = await self._bound(key, username=username, client=client)

        def end(pending: Transaction) -> Transaction:
            pending.demand_open(now=self._clock())
            return pending.end(now=self._clock())

        await self._transactions.update(key, end, seen=seen)
        await self._parking.end_now(key)

    async def logout(self, session: DrupalSession, *, visitor: Visitor) -> tuple[str, ...]:
        """End a session that was handed over; return the Set-Cookie lines that delete its cookie."""
        return await self._drupal.log_out(session, visitor=visitor)

    def drupal_state(self) -> str:
        """`ok`, or what an operator should know: `breaker_open`, `counts_gateway`."""
        if not self._drupal.answers():
            return "breaker_open"
        return "counts_gateway" if self._flood.drupal_counts_gateway else "ok"


async def nothing() -> None:
    """Stands in a gather for what is not needed."""
