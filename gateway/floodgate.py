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
from gateway.flood import Limits, failures, guesses
from gateway.interfaces import Counters, Limit

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

    @property
    def drupal_counts_gateway(self) -> bool:
        """Whether Drupal seems to take every visitor for the gateway."""
        at = self._drupal_counted_us_at
        return at is not None and self._clock() - at < DRUPAL_SECONDS

    async def password(self, name: str, address: str) -> Reserved:
        """Reserve a refused password. Raises Flood."""
        return await self._reserve(self._limits.passwords(name, address))

    async def right(self, reserved: Reserved) -> None:
        """A right password clears the name's count, as it does at Drupal, and was none of the address's refused."""
        by_name, by_address = reserved.limits
        with contextlib.suppress(StoreUnavailable):
            await asyncio.gather(
                self._counters.clear([by_name]), self._counters.give_back([by_address], now=reserved.at)
            )

    async def not_asked(self, reserved: Reserved) -> None:
        """What was reserved did not happen."""
        with contextlib.suppress(StoreUnavailable):
            await self._counters.give_back(reserved.limits, now=reserved.at)

    def drupal_refused(self, reserved: Reserved) -> None:
        """Drupal says flood of the address; if we have counted less than half of that, it counts the gateway's."""
        if reserved.counts[1] * 2 < reserved.limits[1].most:
            self._drupal_counted_us_at = self._clock()
            log.warning("drupal.counts_gateway", ours=reserved.counts[1], change=COUNT_VISITORS)

    async def demand_unlocked(self, uid: str) -> None:
        """Raise AccountLocked while the account waits for its wrong codes."""
        checked = await self._counters.check(guesses(uid), now=self._clock())
        if checked.refused:
            raise AccountLocked(checked.refused.name, retry_after=checked.retry_after)

    async def deliveries(self, destinations: Sequence[tuple[str, str]]) -> None:
        """Count a message to each destination, by channel. Raises Flood."""
        await self._reserve([limit for where in destinations for limit in self._limits.deliveries(*where)])

    async def guess(self, uid: str, address: str) -> Reserved:
        """Reserve a wrong code. Raises Flood for the address, and TransactionClosed for a locked account."""
        limits = self._limits.codes(uid, address)
        try:
            return await self._reserve(limits)
        except Flood as flood:
            if flood.reason == limits[-1].name:
                raise
            raise TransactionClosed(flood.reason) from None

    async def wrong(self, uid: str, reserved: Reserved) -> tuple[str, ...]:
        """The code was wrong; return the locks that this has closed."""
        now = self._clock()
        everywhere, failed = self._limits.everywhere(), failures(uid)
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

    async def won(self, uid: str, reserved: Reserved) -> None:
        """The code was right: it clears the soft count and was no failure for the others."""
        soft, *others = reserved.limits
        with contextlib.suppress(StoreUnavailable):
            await asyncio.gather(
                self._counters.clear([soft, failures(uid)]), self._counters.give_back(others, now=reserved.at)
            )

    async def _reserve(self, limits: Sequence[Limit]) -> Reserved:
        now = self._clock()
        taken = await self._counters.take(limits, now=now)
        if taken.refused:
            raise Flood(taken.refused.name, retry_after=taken.retry_after)
        return Reserved(limits=tuple(limits), counts=taken.counts, at=now)
