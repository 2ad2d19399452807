"""Counts what must not happen too often, and refuses it when it does. Without its store it refuses everything.

A try is reserved before it happens, and given back if it did not count. Otherwise parallel tries would all be let
through. Giving back is best effort: a count that is too high is the safe mistake.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from gateway.errors import AccountLocked, Flood, StoreUnavailable, TransactionClosed
from gateway.flood.limits import Limits, changes, failures, guesses, proposals
from gateway.interfaces import Counters
from gateway.limit import Limit
from gateway.telemetry.logs import OncePerMinute

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


class Floodgate:
    """Applies the limits to the counters, which every process shares."""

    def __init__(self, counters: Counters, limits: Limits, *, clock: Callable[[], float]) -> None:
        self._counters = counters
        self._limits = limits
        self._clock = clock
        # When Drupal last refused an address although our own count of it was low.
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
        """Reserve a refused password. Raises Flood."""
        return await self._reserve(self._limits.passwords(name, address), now=self._clock())

    async def password_accepted(self, reserved: Reserved) -> None:
        """Clear the name's count, as Drupal does after a right password, and give back the address's."""
        by_name, by_address = reserved.limits
        with contextlib.suppress(StoreUnavailable):
            await asyncio.gather(
                self._counters.clear([by_name]), self._counters.give_back([by_address], now=reserved.at)
            )

    async def release(self, reserved: Reserved) -> None:
        """Give back what was reserved: it did not happen."""
        with contextlib.suppress(StoreUnavailable):
            await self._counters.give_back(reserved.limits, now=reserved.at)

    def drupal_refused(self, reserved: Reserved) -> None:
        """Note that Drupal refused the address. If our own count is below half the limit, it counts the gateway."""
        if reserved.counts[1] * 2 < reserved.limits[1].most:
            self._drupal_counted_us_at = self._clock()
            if self._counted_us.due():
                log.warning("drupal.counts_gateway", ours=reserved.counts[1], change=COUNT_VISITORS)

    async def demand_unlocked(self, uid: str, address: str) -> bool:
        """Return whether the account has logged in from the network of *address* lately.

        Raises AccountLocked while wrong codes lock the account. Wrong codes from known networks lock known networks,
        and all others lock the other networks.
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

    async def deliveries(self, destinations: Sequence[tuple[str, str]], *, known_network: bool, now: float) -> None:
        """Count a message of *now* to each destination, by channel. Raises Flood."""
        limits = [
            limit for where in destinations for limit in self._limits.deliveries(*where, known_network=known_network)
        ]
        if limits:
            await self._reserve(limits, now=now)

    async def proposal(self, uid: str) -> None:
        """Count a secret, or a set of recovery codes, that is made for the account. Raises Flood."""
        await self._reserve([proposals(uid)], now=self._clock())

    async def change(self, uid: str) -> None:
        """Count a request to confirm or remove the account's app, whatever its result. Raises Flood."""
        await self._reserve([changes(uid)], now=self._clock())

    async def counted(self, channel: str, to: str, *, known_network: bool, at: float) -> bool:
        """Return whether the message asked for at *at* was counted, so that it may be sent."""
        return await self._counters.holds(self._limits.deliveries(channel, to, known_network=known_network), at=at)

    async def guess(self, uid: str, address: str, *, known_network: bool) -> Reserved:
        """Reserve a wrong code. Raises Flood for the address, and TransactionClosed for a locked account."""
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
            hard = reserved.counts[1] == reserved.limits[1].most
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
            raise Flood(taken.refused.name, retry_after=taken.retry_after)
        return Reserved(limits=tuple(limits), counts=taken.counts, at=now)
