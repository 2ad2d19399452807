"""Counts what a login must not do too often, and says when it is too often; fails closed.

Whatever may be refused is reserved before it happens and given back if it did not, or parallel tries would all see
room. Giving back is best effort: a count too high is the safe mistake.
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
# What makes Drupal count visitors instead of the gateway.
COUNT_VISITORS = "$settings['reverse_proxy'] = TRUE; $settings['reverse_proxy_addresses'] = ['ADDRESS OF HEADGATE'];"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reserved:
    """What was taken, when, and the counts with it."""

    limits: tuple[Limit, ...]
    counts: tuple[int, ...]
    at: float


class Floodgate:
    """Asks the counters, which every process shares, on behalf of one login."""

    def __init__(self, counters: Counters, limits: Limits, *, clock: Callable[[], float]) -> None:
        self._counters = counters
        self._limits = limits
        self._clock = clock
        # When Drupal last refused an address that had done too little for it.
        self._drupal_counted_us_at: float | None = None
        self._counted_us = OncePerMinute()

    @property
    def drupal_counts_gateway(self) -> bool:
        """Whether Drupal seems to take every visitor for the gateway."""
        at = self._drupal_counted_us_at
        return at is not None and self._clock() - at < DRUPAL_SECONDS

    async def password(self, name: str, address: str) -> Reserved:
        """Reserve a refused password. Raises Flood."""
        return await self._reserve(self._limits.passwords(name, address), now=self._clock())

    async def password_accepted(self, reserved: Reserved) -> None:
        """A right password clears the name's count, as it does at Drupal, and was none of the address's refused."""
        by_name, by_address = reserved.limits
        with contextlib.suppress(StoreUnavailable):
            await asyncio.gather(
                self._counters.clear([by_name]), self._counters.give_back([by_address], now=reserved.at)
            )

    async def release(self, reserved: Reserved) -> None:
        """What was reserved did not happen."""
        with contextlib.suppress(StoreUnavailable):
            await self._counters.give_back(reserved.limits, now=reserved.at)

    def drupal_refused(self, reserved: Reserved) -> None:
        """Drupal says flood of the address; if we have counted less than half of that, it counts the gateway's."""
        if reserved.counts[1] * 2 < reserved.limits[1].most:
            self._drupal_counted_us_at = self._clock()
            if self._counted_us.due():
                log.warning("drupal.counts_gateway", ours=reserved.counts[1], change=COUNT_VISITORS)

    async def demand_unlocked(self, uid: str, address: str) -> bool:
        """Whether the account has lately logged in from the network of *address*: it is familiar.

        Raises AccountLocked while the account waits for wrong codes, those from known networks or all others.
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
        """Count an asking to confirm or remove the account's app, whatever comes of it. Raises Flood."""
        await self._reserve([changes(uid)], now=self._clock())

    async def counted(self, channel: str, to: str, *, known_network: bool, at: float) -> bool:
        """Whether the message of *at* was counted, and so may be sent."""
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

    async def code_rejected(self, uid: str, reserved: Reserved, *, known_network: bool) -> tuple[str, ...]:
        """The code was wrong; return the locks that this has closed."""
        now = self._clock()
        everywhere, failed = self._limits.everywhere(), failures(uid, known_network=known_network)
        with contextlib.suppress(StoreUnavailable):
            site, account = await asyncio.gather(
                self._counters.take([everywhere], now=now), self._counters.take([failed], now=now)
            )
            if site.counts == (everywhere.most,):
                log.warning(everywhere.name, count=everywhere.most)
            hard = reserved.limits[1]
            closed = {failed.name: account.counts == (failed.most,), hard.name: reserved.counts[1] == hard.most}
            return tuple(name for name, is_closed in closed.items() if is_closed)
        return ()

    async def code_accepted(self, uid: str, address: str, reserved: Reserved, *, known_network: bool) -> None:
        """The code was right: no failure for any count; it clears the soft one and makes the network familiar."""
        soft, *others = reserved.limits
        here = self._limits.known_network(uid, address)
        with contextlib.suppress(StoreUnavailable):
            # In this order also at a store that is asked for all of it in one go.
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
