"""Every step of a login, in its order.

Drupal's session is parked before anything else is done with it. From then on the answer that hands it over, or the
reaper, is responsible for it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

import structlog
from structlog.contextvars import bind_contextvars

from gateway.account import Caller, Credential, Visitor
from gateway.errors import (
    BadCredentials,
    DeliveryUnavailable,
    DrupalInvalid,
    FactorBusy,
    Flood,
    NotEnrolled,
    TransactionClosed,
    Unavailable,
    WrongOtp,
)
from gateway.flood.gate import Floodgate, Reserved
from gateway.interfaces import Authenticator, Backend, LoggedOut
from gateway.login.methods import awaited, destinations, message_ids, was_sent
from gateway.login.opening import Opening
from gateway.login.outcome import Checked, Granted, Pending, Progress, as_pending, progress
from gateway.login.parking import Parking
from gateway.login.password_tests import PasswordTests
from gateway.login.refusal_timing import RefusalTiming
from gateway.login.rules import LoginRules
from gateway.login.second_factor import SecondFactor
from gateway.login.turns import Turns
from gateway.policy.check import PolicyCheck
from gateway.policy.devices import Remembered
from gateway.transaction import State, Transaction, new_id, transaction_key

log = structlog.get_logger()

Value = TypeVar("Value")


class LoginFlow:
    """authenticate, login, resend, status, cancel and logout, over any store, Drupal and set of channels."""

    def __init__(
        self,
        *,
        drupal: Authenticator,
        backend: Backend,
        flood: Floodgate,
        refusal_timing: RefusalTiming,
        turns: Turns,
        policy: PolicyCheck,
        second_factor: SecondFactor,
        password_tests: PasswordTests,
        rules: LoginRules,
        clock: Callable[[], float],
    ) -> None:
        self._drupal = drupal
        self._transactions = backend.transactions
        self._outbox = backend.outbox
        self._parking = Parking(drupal=drupal, backend=backend, clock=clock)
        self._opening = Opening(
            drupal=drupal,
            backend=backend,
            parking=self._parking,
            flood=flood,
            policy=policy,
            password_tests=password_tests,
            rules=rules,
            clock=clock,
        )
        self._flood = flood
        self._refusal_timing = refusal_timing
        self._turns = turns
        self._policy = policy
        self._second_factor = second_factor
        self._rules = rules
        self._clock = clock

    # Authenticate

    async def authenticate(
        self,
        *,
        username: str,
        password: str,
        auth_type: str | None,
        caller: Caller,
        remember_token: str | None = None,
    ) -> Pending | Granted:
        """Check the password at Drupal and send a code, or grant the login at once if policy asks for none.

        Raises BadCredentials, Flood, AccountLocked, NotEnrolled, NoDestination, DrupalInvalid, DrupalTimeout or
        Unavailable. If anything is raised after Drupal has opened a session, that session is ended.
        """
        if not self._rules.channels:
            raise DeliveryUnavailable("no_channel")
        self._demand_offered(auth_type)
        checked = await self._check(username, password, caller)
        return await self._opening.open(checked, auth_type=auth_type, caller=caller, remember_token=remember_token)

    def _demand_offered(self, auth_type: str | None) -> None:
        """Raise NotEnrolled for a method that no account can have.

        This comes before the password is checked. Otherwise the answer would tell that the password is right.
        """
        # While policy only observes, a right password logs in, whatever the client asks for.
        if auth_type is None or self._policy.observes:
            return
        if not self._rules.offers(auth_type, apps=self._second_factor.enabled):
            raise NotEnrolled("not_offered")

    async def _check(self, username: str, password: str, caller: Caller) -> Checked:
        """Have Drupal check the password, and park the session that it opens."""
        bind_contextvars(account=self._flood.pseudonym(username))
        await self._second_factor.demand_initialised()
        async with self._turns.turn(caller.visitor.address):
            # The password is counted only now: a login that waits for its turn must not count as a refused one.
            reserved = await self._flood.password(username, caller.visitor.address)
            session = await self._log_in(username, password, caller.visitor, reserved=reserved)
        return await self._park(session, username, caller, self._flood.password_accepted(reserved))

    async def _park(
        self, session: Credential, username: str, caller: Caller, also: Coroutine[object, None, None]
    ) -> Checked:
        """Park a session of Drupal's, and read what the login's decision needs. *also* runs in the same round trip."""
        bind_contextvars(uid=session.uid)
        id = new_id()
        key = transaction_key(id)
        # Session and transaction end together. Otherwise the session could end while the code is still good.
        due_at = self._clock() + self._rules.code.lifetime_seconds
        # Together, these calls take one round trip. If the session could not be parked, the login fails, whatever the
        # other calls returned.
        parked, known_network, enrolment, _ = await asyncio.gather(
            self._parking.park(key, session, until=due_at),
            self._flood.demand_unlocked(session.uid, caller.visitor.address),
            self._second_factor.enrolment(session.uid),
            also,
            return_exceptions=True,
        )
        result_of(parked)
        try:
            return Checked(
                id=id,
                key=key,
                username=username,
                session=session,
                due_at=due_at,
                known_network=result_of(known_network),
                enrolment=result_of(enrolment),
            )
        except BaseException:
            await self._parking.leave_to_the_reaper(key)
            raise

    async def _log_in(self, username: str, password: str, visitor: Visitor, *, reserved: Reserved) -> Credential:
        began = asyncio.get_running_loop().time()

        async def late(session: Credential) -> None:
            # Drupal names the user only after a right password. A broken answer may bring a cookie without a user: it
            # proves nothing.
            right = self._flood.password_accepted(reserved) if session.uid else nothing()
            await asyncio.gather(right, self._parking.end_unparked(session))

        try:
            session = await self._drupal.authenticate(name=username, password=password, visitor=visitor, late=late)
        except BadCredentials:
            await self._flood.password_rejected(username, reserved)
            await self._refusal_timing.wait(since=began)
            raise
        except (Flood, Unavailable, DrupalInvalid) as error:
            # Drupal refused no password here. A time-out is not among these errors: Drupal may have refused the
            # password, so the login stays counted, unless *late* gives the count back.
            await self._flood.release(reserved)
            if isinstance(error, Flood):
                self._flood.drupal_refused(reserved)
            raise
        self._refusal_timing.remember(asyncio.get_running_loop().time() - began)
        return session

    # A session that Drupal opened outside of the API

    async def challenge(
        self, session: Credential, *, caller: Caller, remember_token: str | None = None
    ) -> Pending | Granted:
        """Ask for the second factor of a session that Drupal has opened on a page of its own.

        Raises as `authenticate` does, without BadCredentials. If anything is raised, the session is ended.
        """
        try:
            if not self._rules.channels:
                raise DeliveryUnavailable("no_channel")
            await self._second_factor.demand_initialised()
        except BaseException:
            await asyncio.shield(self._parking.end_unparked(session))
            raise
        checked = await self._park(session, "", caller, nothing())
        return await self._opening.open(checked, auth_type=None, caller=caller, remember_token=remember_token)

    async def end(self, session: Credential) -> None:
        """End a session that Drupal has opened and that nobody may have. If Drupal is down, the reaper ends it."""
        await self._parking.end_unparked(session)

    # Login

    async def login(
        self, *, username: str, id: str, auth_type: str, otp: str, caller: Caller, remember: bool = False
    ) -> Granted:
        """Win the transaction with the right answer to its second factor.

        Raises WrongOtp, Flood for an address with too many wrong codes, FactorBusy, and TransactionClosed for several
        reasons that a client must not tell apart. The caller writes the answer, then calls `delivered` or `lost`.
        """
        key = transaction_key(id)
        seen = await self._bound(key, username=username, auth_type=auth_type, caller=caller)
        # Counted first: an address that may not guess must not take capacity from the others.
        reserved = await self._flood.guess(seen.uid, caller.visitor.address, known_network=seen.known_network)
        won, session = await self._win(key, seen, otp, caller.visitor, reserved=reserved)
        return Granted(
            key=key,
            uid=won.uid,
            address=caller.visitor.address,
            known_network=won.known_network,
            session=session,
            hand_over=self._drupal.hand_over(session),
            profile=won.profile,
            manage_token=self._second_factor.manage_token(won, client=caller.client),
            reserved=reserved,
            remembered=await self._remember(won, caller) if remember else None,
        )

    async def _remember(self, won: Transaction, caller: Caller) -> Remembered | None:
        remembered = await self._policy.remember(won.uid, client=caller.client)
        if remembered:
            await self._second_factor.keep_name(won)
        return remembered

    async def _bound(self, key: str, *, username: str, caller: Caller, auth_type: str | None = None) -> Transaction:
        """Return the open transaction that the caller may use. Raises TransactionClosed for any other."""
        pending = await self._transactions.find(key)
        pending.demand_bound(username=username, client=caller.client.id, auth_type=auth_type)
        pending.demand_open(now=self._clock())
        bind_contextvars(uid=pending.uid)
        return pending

    async def _win(
        self, key: str, seen: Transaction, otp: str, visitor: Visitor, *, reserved: Reserved
    ) -> tuple[Transaction, Credential]:
        """Try *otp* once; return the transaction that it won, and the parked session."""
        now = self._clock()
        try:
            with self._second_factor.capacity(seen.auth_type):
                # A transaction's secret never changes, so the result holds for every later version of it.
                is_sent_code = await self._second_factor.is_sent_code(seen, otp)
                # The session is fetched in the same round trip, because it will most likely be needed. Only the
                # swap decides whether the login is won.
                fetched = self._parking.take_for_handover(key, now=now) if is_sent_code else nothing()
                attempt = self._second_factor.attempt(key, seen, otp, is_sent_code=is_sent_code, visitor=visitor)
                after, session = await asyncio.gather(attempt, fetched)
        except (TransactionClosed, FactorBusy):
            # Another answer closed or switched the login first, or there was no capacity. The client must not learn
            # whether the code was right.
            await self._flood.release(reserved)
            raise
        if after.state is not State.DELIVERING:
            if after.state is State.ENDED:
                await self._parking.leave_to_the_reaper(key)
            await self._second_factor.reject(after, reserved, known_network=after.known_network, visitor=visitor)
            raise WrongOtp(attempts_left=after.attempts_left)
        return after, session or await self._parking.take_for_handover(key, now=now)

    async def delivered(self, granted: Granted) -> None:
        """Forget the session: the answer's last byte was written, so the frontend has it."""
        if await self._parking.forget(granted.key, uid=granted.uid) and granted.reserved:
            await self._flood.code_accepted(
                granted.uid, granted.address, granted.reserved, known_network=granted.known_network
            )

    async def lost(self, granted: Granted) -> None:
        """End the session: the answer was not written, so nobody has it. The code was right all the same."""
        await asyncio.gather(
            self._end_now(granted),
            self._policy.give_back(granted.remembered),
            self._flood.release(granted.reserved) if granted.reserved else nothing(),
        )

    async def _end_now(self, granted: Granted) -> None:
        if await self._parking.end_now(granted.key, session=granted.session):
            log.info("reaper.logged_out", uid=granted.uid, transaction=granted.key)

    # Resend, status, cancel, logout

    async def resend(self, *, username: str, id: str, auth_type: str, switch_to: str | None, caller: Caller) -> Pending:
        """Send the same code again, or by another method, or ask for a method that sends nothing.

        Raises TransactionClosed, TooSoon, NotEnrolled, and Flood for a destination with too many messages.
        """
        key = transaction_key(id)
        seen = await self._bound(key, username=username, auth_type=auth_type, caller=caller)
        method = switch_to or auth_type
        ids = message_ids(method)
        now = self._clock()

        def reissue(pending: Transaction) -> Transaction:
            if was_sent(pending, method) and not pending.may_be_resent(now=now):
                return pending.switch(auth_type=method, now=now)
            return pending.reissue(
                now=now, wait_seconds=self._rules.code.resend_wait_seconds, messages=ids, auth_type=method
            )

        # The change is tried on the copy that was read. If that fails, no message is counted.
        tried = reissue(seen)
        if tried.messages == ids:
            await self._flood.deliveries(seen.uid, destinations(tried), known_network=seen.known_network, now=now)
        after = await self._transactions.update(key, reissue, seen=seen)
        if after.messages == ids:
            await self._opening.send(key, after, caller.visitor, now=now)
        return as_pending(id, after, now=now)

    async def status(self, *, username: str, id: str, caller: Caller) -> Progress:
        """Return how far the login is. Raises TransactionClosed."""
        pending = await self._bound(transaction_key(id), username=username, caller=caller)
        words = await self._outbox.words(awaited(pending))
        return progress(pending, words, now=self._clock())

    async def cancel(self, *, username: str, id: str, caller: Caller) -> None:
        """End the login and its session at Drupal. Raises TransactionClosed."""
        key = transaction_key(id)
        seen = await self._bound(key, username=username, caller=caller)

        def end(pending: Transaction) -> Transaction:
            pending.demand_open(now=self._clock())
            return pending.end(now=self._clock())

        await self._transactions.update(key, end, seen=seen)
        await self._parking.end_now(key)

    async def logout(self, session: Credential, *, visitor: Visitor) -> tuple[str, ...]:
        """End a session that was handed over; return the Set-Cookie lines that delete its cookie.

        Raises Flood for a network from which too many log-outs ended no session.
        """
        # A log-out takes a turn, too. Otherwise its duration would tell how busy Drupal is with the logins of the same
        # network.
        async with self._turns.turn(visitor.address):
            reserved = await self._flood.logout(visitor.address)
            began = asyncio.get_running_loop().time()
            done = await self._log_out(session, visitor, reserved=reserved)
            if not done.ended:
                # Anybody can send a made-up session, as often as they like, so this answer must not tell how busy
                # Drupal is. The answer to a log-out that ends a session does tell, but only once for each session.
                await self._refusal_timing.wait(since=began)
        return done.cookies

    async def _log_out(self, session: Credential, visitor: Visitor, *, reserved: Reserved | None) -> LoggedOut:
        """End the session at Drupal.

        *reserved* is given back if a session was ended, or if Unavailable was raised. Otherwise it stays counted.
        """
        try:
            done = await self._drupal.log_out(session, visitor=visitor)
        except Unavailable:
            if reserved:
                await self._flood.release(reserved)
            raise
        if done.ended and reserved:
            await self._flood.release(reserved)
        return done

    def drupal_state(self) -> str:
        """Return `ok`, or what an operator should know: `unknown`, `breaker_open` or `counts_gateway`."""
        match self._drupal.answers():
            case None:
                return "unknown"
            case False:
                return "breaker_open"
            case True:
                return "counts_gateway" if self._flood.drupal_counts_gateway else "ok"


def result_of(outcome: Value | BaseException) -> Value:
    """Return what a gathered call returned, or raise what it raised."""
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


async def nothing() -> None:
    """Do nothing: this takes the place, in a gather, of a call that is not needed."""
