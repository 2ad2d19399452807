"""Counts what must not happen too often, and refuses it when it does. Without its store it refuses all but log-outs.

A try is reserved before it happens, and given back if it did not count. Otherwise parallel tries would all be let
through. Giving back is best effort: a count that is too high is the safe mistake.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from gateway.errors import AccountLocked, Flood, StoreUnavailable, TransactionClosed
from gateway.flood.limits import (
    NAME,
    Limits,
    changes,
    failures,
    guesses,
    password_notices,
    password_tests,
    proposals,
)
from gateway.interfaces import Counters, Message
from gateway.limit import Limit
from gateway.telemetry.log_setup import OncePerMinute

log = structlog.get_logger()

# Drupal's window for addresses (user.flood: ip_window).
DRUPAL_SECONDS = 3600
# With these lines in settings.php, Drupal counts visitors instead of the gateway.
COUNT_VISITORS = "$settings['reverse_proxy'] = TRUE; $settings['reverse_proxy_addresses'] = ['ADDRESS OF HEADGATE'];"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reserved:
    """A try that was counted at the time *at*, its *limits*, and their *counts* afterwards."""

    limits: tuple[Limit, ...]
    counts: tuple[int, ...]
    at: float

    @property
    def locks_for_good(self) -> bool:
        """Whether this wrong code is the one that locks the account until an operator unlocks it."""
        return self.counts[1] == self.limits[1].most


class InFlight:
    """The passwords that this process has sent to Drupal, and whose result it does not know yet.

    After *seconds*, a password counts as settled even if its result is still not known: its login was given up.
    """

    def __init__(self, *, seconds: float) -> None:
        self.seconds = seconds
        # The keys are `id(reserved)`. With the tries themselves as keys, comparing their limits would take longer than
        # everything else here. The oldest comes first.
        self._reserved: dict[int, Reserved] = {}

    def begin(self, reserved: Reserved) -> None:
        self._forget_given_up(now=reserved.at)
        self._reserved[id(reserved)] = reserved

    def end(self, reserved: Reserved) -> None:
        self._reserved.pop(id(reserved), None)

    def fills(self, limit: Limit, *, now: float) -> bool:
        """Return whether one of these passwords is counted under *limit*, and so may soon be given back."""
        self._forget_given_up(now=now)
        return any(limit.key == counted.key for reserved in self._reserved.values() for counted in reserved.limits)

    def _forget_given_up(self, *, now: float) -> None:
        while self._reserved and (oldest := next(iter(self._reserved.values()))).at <= now - self.seconds:
            self.end(oldest)


class Floodgate:
    """Applies the limits to the counters, which every process shares.

    *login_seconds* is how long Drupal may take to say whether a password is right.
    """

    def __init__(self, counters: Counters, limits: Limits, *, clock: Callable[[], float], login_seconds: float) -> None:
        self._counters = counters
        self._limits = limits
        self._clock = clock
        self._in_flight = InFlight(seconds=login_seconds)
        # When Drupal last refused an address although our own count of it was far below the limit.
        self._drupal_counted_us_at: float | None = None
        self._counted_us = OncePerMinute()

    @property
    def drupal_counts_gateway(self) -> bool:
        """Whether Drupal seems to count the gateway's address for every visitor."""
        at = self._drupal_counted_us_at
        return at is not None and self._clock() - at < DRUPAL_SECONDS

    def pseudonym(self, name: str) -> str:
        """Return what events carry in place of *name* until the uid is known."""
        return self._limits.pseudonym(name)

    async def password(self, name: str, address: str) -> Reserved:
        """Count the password as refused in advance, before Drupal is asked. Raises Flood."""
        reserved = await self._reserve(self._limits.passwords(name, address), now=self._clock())
        self._in_flight.begin(reserved)
        return reserved

    async def password_accepted(self, reserved: Reserved) -> None:
        """Clear the name's counts, as Drupal does after a right password, and give back those of the networks."""
        self._in_flight.end(reserved)
        of_name = [limit for limit in reserved.limits if limit.name == NAME]
        others = [limit for limit in reserved.limits if limit.name != NAME]
        with contextlib.suppress(StoreUnavailable):
            await asyncio.gather(self._counters.clear(of_name), self._counters.give_back(others, now=reserved.at))

    async def password_rejected(self, name: str, reserved: Reserved) -> None:
        """Keep what was reserved: Drupal refused the password. Log a name that is guessed from many networks."""
        self._in_flight.end(reserved)
        guessed = self._limits.guessed(name)
        with contextlib.suppress(StoreUnavailable):
            if (await self._counters.take([guessed], now=self._clock())).counts == (guessed.most,):
                log.warning("attack.name", count=guessed.most)

    async def release(self, reserved: Reserved) -> None:
        """Give back what was reserved for a try that did not happen."""
        self._in_flight.end(reserved)
        with contextlib.suppress(StoreUnavailable):
            await self._counters.give_back(reserved.limits, now=reserved.at)

    def drupal_refused(self, reserved: Reserved) -> None:
        """Note that Drupal refused the address.

        If our own count is below half the limit, Drupal counts the gateway's address for all visitors.
        """
        if reserved.counts[1] * 2 < reserved.limits[1].most:
            self._drupal_counted_us_at = self._clock()
            if self._counted_us.due():
                log.warning("drupal.counts_gateway", ours=reserved.counts[1], change=COUNT_VISITORS)

    async def demand_unlocked(self, uid: str, address: str) -> bool:
        """Return whether the account has logged in from the network of *address* lately.

        Raises AccountLocked while wrong codes lock the account. Wrong codes from known networks lock the account
        for known networks, and wrong codes from other networks lock it for the other networks.
        """
        now, known_network = self._clock(), self._limits.known_network(uid, address)
        theirs, own = await asyncio.gather(
            self._counters.check([known_network, *guesses(uid, known_network=False)], now=now),
            self._counters.check(guesses(uid, known_network=True), now=now),
        )
        is_known_network = theirs.refused == known_network
        checked = own if is_known_network else theirs
        if checked.refused:
            raise AccountLocked(checked.refused.name, retry_after=checked.retry_after)
        return is_known_network

    async def deliveries(
        self, uid: str, destinations: Sequence[tuple[str, str]], *, known_network: bool, now: float
    ) -> None:
        """Count one message to each of the account's destinations, by channel, at the time *now*. Raises Flood."""
        limits = [
            limit
            for channel, to in destinations
            for limit in self._limits.deliveries(uid, channel, to, known_network=known_network)
        ]
        if limits:
            await self._reserve(limits, now=now)

    async def logout(self, address: str) -> Reserved | None:
        """Count the log-out in advance as one that ends no session. Raises Flood.

        Without the store, the log-out is not counted, and None is returned: users must be able to log out.
        """
        try:
            return await self._reserve([self._limits.logouts(address)], now=self._clock())
        except StoreUnavailable:
            return None

    async def proposal(self, uid: str) -> None:
        """Count a secret, or a set of recovery codes, that is made for the account. Raises Flood."""
        await self._reserve([proposals(uid)], now=self._clock())

    async def change(self, uid: str) -> None:
        """Count a request to confirm or remove the account's app, whatever comes of it. Raises Flood."""
        await self._reserve([changes(uid)], now=self._clock())

    async def password_tested(self, uid: str) -> None:
        """Count a right password after which no code was sent. Raises Flood when there were too many."""
        limit = password_tests(uid)
        reserved = await self._reserve([limit], now=self._clock())
        if reserved.counts == (limit.most,):
            log.warning("attack.password_tested", uid=uid, count=limit.most)

    async def password_notice_due(self, uid: str) -> bool:
        """Return whether a mail about such a password may be sent: none was sent lately. If so, count it as sent."""
        taken = await self._counters.take([password_notices(uid)], now=self._clock())
        return taken.refused is None

    async def counted(self, message: Message) -> bool:
        """Return whether *message* was counted when it was asked for, so that it may be sent."""
        if not message.uid:
            # An older release counted it, under other keys. If that release refused the message, it also ended the
            # transaction, so that no code is sent anyway.
            return True
        limits = self._limits.deliveries(message.uid, message.channel, message.to, known_network=message.known_network)
        return await self._counters.holds(limits, at=message.asked_at)

    async def guess(self, uid: str, address: str, *, known_network: bool) -> Reserved:
        """Count the code as wrong in advance, before it is compared.

        Raises Flood for the address, and TransactionClosed for a locked account.
        """
        limits = self._limits.codes(uid, address, known_network=known_network)
        try:
            return await self._reserve(limits, now=self._clock())
        except Flood as flood:
            if flood.reason == limits[-1].name:
                raise
            raise TransactionClosed(flood.reason) from None

    async def code_rejected(self, uid: str, reserved: Reserved, *, known_network: bool) -> bool:
        """Count a wrong code; return whether this has locked the account."""
        now = self._clock()
        everywhere, failed = self._limits.everywhere(), failures(uid, known_network=known_network)
        with contextlib.suppress(StoreUnavailable):
            site, account = await asyncio.gather(
                self._counters.take([everywhere], now=now), self._counters.take([failed], now=now)
            )
            if site.counts == (everywhere.most,):
                log.warning("attack.second_factor", count=everywhere.most)
            soft = account.counts == (failed.most,)
            hard = reserved.locks_for_good
            if soft:
                log.warning("lock.soft", uid=uid)
            if hard:
                log.warning("lock.hard", uid=uid)
            return soft or hard
        return False

    async def code_accepted(self, uid: str, address: str, reserved: Reserved, *, known_network: bool) -> None:
        """Clear the account's count of wrong codes, and make the network of *address* a known one."""
        soft, *others = reserved.limits
        here = self._limits.known_network(uid, address)
        with contextlib.suppress(StoreUnavailable):
            # `clear` must run before `take`. A store that gets both in one round trip keeps this order.
            await asyncio.gather(
                self._counters.clear([soft, failures(uid, known_network=known_network), here]),
                self._counters.take([here], now=reserved.at),
                self._counters.give_back(others, now=reserved.at),
            )

    async def _reserve(self, limits: Sequence[Limit], *, now: float) -> Reserved:
        taken = await self._counters.take(limits, now=now)
        if taken.refused:
            wait = taken.retry_after
            if self._in_flight.fills(taken.refused, now=now):
                # Within these seconds Drupal answers the passwords in flight. If one of them was right, it is given
                # back, and the limit is not full any more.
                wait = min(wait, self._in_flight.seconds)
            raise Flood(taken.refused.name, retry_after=wait)
        return Reserved(limits=tuple(limits), counts=taken.counts, at=now)
