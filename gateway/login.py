"""Every step of a login, in its order: the one place that knows it.

A session of Drupal's is parked before anything else is done with it, and from then on somebody answers for it: the
answer that hands it over, or the reaper.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog
from structlog.contextvars import bind_contextvars

from gateway.account import Account, Client, DrupalSession, Visitor, fold, masked
from gateway.delivery import METHODS
from gateway.errors import (
    AccountLocked,
    DeliveryUnavailable,
    GatewayError,
    NoDestination,
    NotEnrolled,
    StoreUnavailable,
    TransactionClosed,
    WrongOtp,
)
from gateway.flood import guesses
from gateway.interfaces import Authenticator, Backend, Factor, HandOver, Limit, Message, Taken, Word
from gateway.transaction import HANDING_SECONDS, State, Transaction, key_of, new_id

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What configuration says of a login. Times in seconds."""

    method: str
    lifetime_seconds: float
    attempts: int
    resends: int
    resend_wait_seconds: float
    per_account: int = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A login that waits for its code, as the frontend is told of it; times in whole seconds."""

    id: str = field(repr=False)
    auth_type: str
    destination: str = field(repr=False)
    expires_in: int
    resend_in: int
    methods: tuple[str, ...]
    resends_left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a waiting login stands; times in whole seconds."""

    delivery: Word
    auth_type: str
    expires_in: int
    resend_in: int
    attempts_left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Won:
    """A login whose code was right: hand it over, then say `delivered` or `lost`."""

    key: str
    uid: str
    hand_over: HandOver = field(repr=False)
    profile: Mapping[str, object] = field(repr=False)
    counted_at: float


class LoginFlow:
    """authenticate, login, resend, status, cancel and logout, over any store, Drupal and set of channels."""

    def __init__(
        self,
        *,
        drupal: Authenticator,
        backend: Backend,
        factor: Factor,
        channels: frozenset[str],
        rules: Rules,
        index: Callable[..., str],
        clock: Callable[[], float],
    ) -> None:
        self._drupal = drupal
        self._transactions = backend.transactions
        self._parked = backend.parked
        self._outbox = backend.outbox
        self._counters = backend.counters
        self._factor = factor
        self._channels = channels
        self._rules = rules
        self._index = index
        self._clock = clock

    # Authenticate

    async def authenticate(
        self, *, username: str, password: str, auth_type: str | None, client: Client, visitor: Visitor
    ) -> Opened:
        """Have Drupal check the password, park its session, and send a code.

        Raises BadCredentials, Flood, AccountLocked, NotEnrolled, NoDestination, DrupalInvalid, DrupalTimeout or
        Unavailable. Whatever is raised after Drupal opened a session, that session is ended.
        """
        if not self._channels:
            raise DeliveryUnavailable("no_channel")
        bind_contextvars(account=self._index("account", fold(username))[:11])
        session = await self._drupal.authenticate(
            name=username, password=password, visitor=visitor, late=self._end_unparked
        )
        bind_contextvars(uid=session.uid)
        id = new_id()
        await self._park(key_of(id), session)
        try:
            pending = await self._open(key_of(id), session, username, auth_type, client, visitor)
        except BaseException:
            await self._leave_to_the_reaper(key_of(id))
            raise
        return self._opened(id, pending)

    async def _park(self, key: str, session: DrupalSession) -> None:
        try:
            await self._parked.park(key, session, due_at=self._clock() + self._rules.lifetime_seconds)
        except BaseException:
            # Nobody else knows this session, so it ends here and now.
            await asyncio.shield(self._end_unparked(session))
            raise

    async def _end_unparked(self, session: DrupalSession) -> None:
        try:
            await self._drupal.log_out(session)
            log.info("reaper.logged_out", uid=session.uid, reason="never_parked")
        except GatewayError as error:
            key = key_of(new_id())
            try:
                await self._parked.park(key, session, due_at=self._clock())
            except StoreUnavailable:
                log.error("drupal.orphan", uid=session.uid, reason=error.word)

    async def _open(
        self,
        key: str,
        session: DrupalSession,
        username: str,
        auth_type: str | None,
        client: Client,
        visitor: Visitor,
    ) -> Transaction:
        now = self._clock()
        taken = await self._counters.check(guesses(session.uid), now=now)
        if taken.refused:
            raise AccountLocked(taken.refused.name, retry_after=taken.retry_after)
        account = await self._drupal.describe(session, visitor=visitor)
        methods = self._methods(account)
        method = self._choose(auth_type, methods)
        pending = self._pending(account, username=username, client=client, method=method, methods=methods)
        messages = self._messages(key, pending, browser=visitor.user_agent)
        # Both in one breath would let a code arrive for a transaction that nobody can find.
        displaced = await self._transactions.create(key, pending, most=self._rules.per_account, now=now)
        try:
            await self._send(messages)
        except GatewayError:
            await self._end(key)
            raise
        for other in displaced:
            await self._displace(other)
        return pending

    def _methods(self, account: Account) -> tuple[str, ...]:
        """What can reach this account, the configured method first. Raises NoDestination when nothing can."""
        usable = [
            method
            for method, channels in METHODS.items()
            if all(channel in self._channels and destination(channel, account) for channel in channels)
        ]
        if not usable:
            raise NoDestination
        return tuple(sorted(usable, key=lambda method: method != self._rules.method))

    def _choose(self, asked: str | None, methods: tuple[str, ...]) -> str:
        if asked is None:
            return methods[0]
        if asked not in methods:
            raise NotEnrolled
        return asked

    def _pending(
        self, account: Account, *, username: str, client: Client, method: str, methods: tuple[str, ...]
    ) -> Transaction:
        now = self._clock()
        message_ids = tuple(secrets.token_urlsafe(12) for _ in METHODS[method])
        return Transaction(
            uid=account.uid,
            client=client.id,
            username=username,
            auth_type=method,
            methods=methods,
            secret=self._factor.challenge(),
            mail=account.mail,
            phone=account.phone,
            language=account.language or "en",
            profile=json.dumps(account.profile, ensure_ascii=False, separators=(",", ":")),
            opened_at=now,
            expires_at=now + self._rules.lifetime_seconds,
            attempts_left=self._rules.attempts,
            resends_left=self._rules.resends,
            resend_at=now + self._rules.resend_wait_seconds,
            messages=message_ids,
        )

    def _messages(self, key: str, pending: Transaction, *, browser: str) -> list[Message]:
        return [
            Message(
                id=id,
                transaction=key,
                channel=channel,
                to=destination(channel, pending) or "",
                language=pending.language,
                username=pending.username,
                browser=browser,
                asked_at=self._clock(),
                deadline=pending.expires_at,
            )
            for id, channel in zip(pending.messages, METHODS[pending.auth_type], strict=True)
        ]

    async def _send(self, messages: list[Message]) -> None:
        for message in messages:
            await self._outbox.put(message)

    async def _displace(self, key: str) -> None:
        log.info("authenticate.displaced", transaction=key)
        await self._end(key)

    # Login

    async def login(self, *, username: str, id: str, auth_type: str, otp: str, client: Client) -> Won:
        """Win the transaction with the right code.

        Raises WrongOtp, or TransactionClosed for everything that must look alike. The caller writes the answer and
        says `delivered` or `lost`.
        """
        key = key_of(id)
        seen = await self._bound(key, username=username, auth_type=auth_type, client=client)
        now = self._clock()
        limits = guesses(seen.uid)
        # Reserved before the comparison, or parallel guesses over many transactions would all see room.
        taken = await self._counters.take(limits, now=now)
        if taken.refused:
            raise TransactionClosed(taken.refused.name)

        def guess(pending: Transaction) -> Transaction:
            pending.demand_open(now=now)
            return pending.attempt(accepted=self._factor.check(pending.secret, otp), now=now)

        try:
            after = await self._transactions.update(key, guess, seen=seen)
        except TransactionClosed:
            # Lost to another answer: nothing was compared that anybody hears of.
            await self._counters.give_back(limits, now=now)
            raise
        if after.state is not State.HANDING:
            await self._wrong(key, after, limits=limits, taken=taken)
            raise WrongOtp(attempts_left=after.attempts_left)
        session = await self._parked.hand(key, until=now + HANDING_SECONDS)
        return Won(
            key=key,
            uid=after.uid,
            hand_over=self._drupal.hand_over(session),
            profile=json.loads(after.profile),
            counted_at=now,
        )

    async def _bound(self, key: str, *, username: str, client: Client, auth_type: str | None = None) -> Transaction:
        pending = await self._transactions.find(key)
        pending.demand_bound(username=username, client=client.id, auth_type=auth_type)
        pending.demand_open(now=self._clock())
        bind_contextvars(uid=pending.uid)
        return pending

    async def _wrong(self, key: str, after: Transaction, *, limits: tuple[Limit, ...], taken: Taken) -> None:
        if after.state is State.ENDED:
            await self._leave_to_the_reaper(key)
        for limit, count in zip(limits, taken.counts, strict=True):
            if count == limit.most:
                log.warning(limit.name, uid=after.uid)
                await self._warn(after)

    async def _warn(self, pending: Transaction) -> None:
        """Tell the account's owner that somebody knows the password."""
        if pending.mail is None or "email" not in self._channels:
            return
        now = self._clock()
        notice = Message(
            id=secrets.token_urlsafe(12),
            subject="locked",
            channel="email",
            to=pending.mail,
            language=pending.language,
            username=pending.username,
            asked_at=now,
            deadline=now + NOTICE_SECONDS,
        )
        try:
            await self._outbox.put(notice)
        except GatewayError as error:
            log.warning("courier.notice_lost", uid=pending.uid, reason=error.word)

    async def delivered(self, won: Won) -> None:
        """The answer's last byte was written: the session is the frontend's now."""
        soft, *others = guesses(won.uid)
        for retry_in in (0.1, 0.5, 2, 5, 10, 20, None):
            try:
                await self._parked.remove(won.key)
                await self._counters.clear([soft])
                await self._counters.give_back(others, now=won.counted_at)
            except StoreUnavailable:
                # Left standing, the reaper would end a session that somebody uses.
                if retry_in is None:
                    log.error("login.not_removed", uid=won.uid)
                    return
                await asyncio.sleep(retry_in)
            else:
                return

    async def lost(self, won: Won) -> None:
        """The answer did not leave: nobody holds the session, so it ends."""
        await self._leave_to_the_reaper(won.key)

    # Resend, status, cancel, logout

    async def resend(
        self, *, username: str, id: str, auth_type: str, switch_to: str | None, client: Client, visitor: Visitor
    ) -> Opened:
        """Send the same code again, or by another method. Raises TransactionClosed, TooSoon, NotEnrolled."""
        key = key_of(id)
        seen = await self._bound(key, username=username, auth_type=auth_type, client=client)
        method = switch_to or auth_type
        ids = tuple(secrets.token_urlsafe(12) for _ in METHODS.get(method, ()))

        def reissue(pending: Transaction) -> Transaction:
            return pending.reissue(
                now=self._clock(),
                wait_seconds=self._rules.resend_wait_seconds,
                messages=ids,
                auth_type=method,
            )

        after = await self._transactions.update(key, reissue, seen=seen)
        await self._send(self._messages(key, after, browser=visitor.user_agent))
        return self._opened(id, after)

    async def status(self, *, username: str, id: str, client: Client) -> Progress:
        """Where the login stands. Raises TransactionClosed."""
        pending = await self._bound(key_of(id), username=username, client=client)
        words = await self._outbox.words(pending.messages)
        now = self._clock()
        return Progress(
            delivery="sent" if "sent" in words else "queued" if "queued" in words else "failed",
            auth_type=pending.auth_type,
            expires_in=seconds(pending.expires_at - now),
            resend_in=seconds(pending.resend_at - now),
            attempts_left=pending.attempts_left,
        )

    async def cancel(self, *, username: str, id: str, client: Client) -> None:
        """End the login and Drupal's session with it. Raises TransactionClosed."""
        key = key_of(id)
        seen = await self._bound(key, username=username, client=client)

        def end(pending: Transaction) -> Transaction:
            pending.demand_open(now=self._clock())
            return pending.end(now=self._clock())

        await self._transactions.update(key, end, seen=seen)
        try:
            session = await self._parked.hand(key, until=self._clock() + HANDING_SECONDS)
            await self._drupal.log_out(session)
            await self._parked.remove(key)
        except GatewayError:
            await self._leave_to_the_reaper(key)

    async def logout(self, session: DrupalSession) -> tuple[str, ...]:
        """End a session that was handed over; return the Set-Cookie lines that delete its cookie."""
        return await self._drupal.log_out(session)

    # Ends

    async def _end(self, key: str) -> None:
        with contextlib.suppress(TransactionClosed, StoreUnavailable):
            await self._transactions.update(key, lambda pending: pending.end(now=self._clock()))
        await self._leave_to_the_reaper(key)

    async def _leave_to_the_reaper(self, key: str) -> None:
        try:
            await self._parked.postpone(key, due_at=self._clock())
        except StoreUnavailable:
            # Its first deadline still stands.
            log.warning("reaper.later", transaction=key)

    def _opened(self, id: str, pending: Transaction) -> Opened:
        now = self._clock()
        return Opened(
            id=id,
            auth_type=pending.auth_type,
            destination=" / ".join(
                masked(destination(channel, pending) or "") for channel in METHODS[pending.auth_type]
            ),
            expires_in=seconds(pending.expires_at - now),
            resend_in=seconds(pending.resend_at - now),
            methods=pending.methods,
            resends_left=pending.resends_left,
        )


# A warning is worth sending for a day.
NOTICE_SECONDS = 86_400


def destination(channel: str, of: Account | Transaction) -> str | None:
    """Where *channel* reaches this person."""
    return of.mail if channel == "email" else of.phone


def seconds(left: float) -> int:
    """Whole seconds, rounded up: a client that waits for them is never told to wait again."""
    return max(0, -int(-left // 1))
