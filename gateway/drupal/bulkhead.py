"""Limits on the calls to Drupal (promise 13).

The bulkhead limits how many calls run at once, in all and for one network. It serves the waiting networks in turn, so
that a few of them can't keep all others out. The circuit breaker refuses calls while Drupal does not answer.
"""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from gateway.errors import DrupalBusy, DrupalUnavailable
from gateway.telemetry.durations import waiting_for_drupal

log = structlog.get_logger()

BUSY_SECONDS = 2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Waiting:
    """A call that waits in *line*. *turn* is done when the call may run, is refused, or was given up."""

    network: str
    line: "deque[Waiting]"
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


Line: TypeAlias = deque[Waiting]


class Bulkhead:
    """Lets at most *most* calls run at once, and the same number wait. One network gets a quarter of each at most.

    The networks that wait get the free slots in turn, for one call each. When the queue is full, the network with most
    waiting calls loses its newest one to a network with fewer.

    A call that follows up a login goes before all others: it runs first, and takes the place of another one in a full
    queue. If it were refused, the session that Drupal has opened would be lost; a login that waits has opened nothing
    yet.
    """

    def __init__(self, most: int, *, queue_seconds: float) -> None:
        self._most = most
        self._quarter = max(1, most // 4)
        self._queue_seconds = queue_seconds
        self._busy = 0
        self._busy_of: Counter[str] = Counter()
        self._waiting_of: Counter[str] = Counter()
        self._follow_ups: Line = deque()
        # All other calls that wait, by network. The first network is the next in turn.
        self._lines: OrderedDict[str, Line] = OrderedDict()

    @asynccontextmanager
    async def slot(self, network: str, *, follow_up: bool = False) -> AsyncGenerator[None]:
        """Hold a slot for one call. *network* is the visitor's network; empty for the gateway's own calls.

        Raises DrupalBusy when the queue is full, or the call has waited too long.
        """
        await self.enter(network, follow_up=follow_up)
        try:
            with waiting_for_drupal():
                yield
        finally:
            self.leave(network)

    async def enter(self, network: str, *, follow_up: bool = False) -> None:
        """Take a slot, which the caller has to give back with `leave`. Raises as `slot` does."""
        if not self._is_free(network):
            await self._wait(network, follow_up=follow_up)
        else:
            self._enter(network)

    def leave(self, network: str) -> None:
        """Give a slot back to those who wait."""
        self._busy -= 1
        _less(self._busy_of, network)
        self._let_in()

    def _is_free(self, network: str) -> bool:
        return self._busy < self._most and (not network or self._busy_of[network] < self._quarter)

    def _enter(self, network: str) -> None:
        self._busy += 1
        self._busy_of[network] += 1

    async def _wait(self, network: str, *, follow_up: bool) -> None:
        entry = self._enqueue(network, follow_up=follow_up)
        try:
            async with asyncio.timeout(self._queue_seconds):
                await entry.turn
        except BaseException as error:
            if entry in entry.line:
                self._unqueue(entry)
            elif not entry.turn.cancelled() and entry.turn.exception() is None:
                # The call got its slot just when it gave up.
                self.leave(network)
            if isinstance(error, TimeoutError):
                raise DrupalBusy("slot", retry_after=BUSY_SECONDS) from None
            raise

    def _enqueue(self, network: str, *, follow_up: bool) -> Waiting:
        if network and self._waiting_of[network] >= self._quarter:
            self._evict(self._lines.get(network) if follow_up else None)
        elif self._waiting_of.total() >= self._most:
            # A network takes a place only if, with the new call, it has fewer waiting calls than the network that loses
            # one. A follow-up always takes it.
            self._evict(self._longest_line(above=0 if follow_up else len(self._lines.get(network, ())) + 1))
        line = self._follow_ups if follow_up else self._lines.setdefault(network, deque())
        entry = Waiting(network=network, line=line)
        line.append(entry)
        self._waiting_of[network] += 1
        return entry

    def _longest_line(self, *, above: int) -> Line | None:
        """Return the longest line of a network, if more than *above* calls wait in it.

        Of several lines of this length, it is the one whose turn comes last. The gateway's own calls end sessions, so
        they keep their places.
        """
        lines = (line for network, line in reversed(self._lines.items()) if network)
        longest = max(lines, key=len, default=None)
        return longest if longest and len(longest) > above else None

    def _evict(self, line: Line | None) -> None:
        """Refuse the newest call in *line*, so that another one gets its place. Raises DrupalBusy if there is none."""
        if not line:
            raise DrupalBusy("queue", retry_after=BUSY_SECONDS)
        newest = line[-1]
        self._unqueue(newest)
        if not newest.turn.done():
            newest.turn.set_exception(DrupalBusy("evicted", retry_after=BUSY_SECONDS))

    def _unqueue(self, entry: Waiting) -> None:
        entry.line.remove(entry)
        if not entry.line and entry.line is not self._follow_ups:
            del self._lines[entry.network]
        _less(self._waiting_of, entry.network)

    def _let_in(self) -> None:
        """Start the calls that may run."""
        while self._busy < self._most and (entry := self._next()):
            # The call leaves the queue now, and not when its task runs: until then it would count as waiting, and keep
            # others out.
            self._unqueue(entry)
            if entry.turn.done():
                continue
            if entry.line is self._lines.get(entry.network):
                self._lines.move_to_end(entry.network)
            self._enter(entry.network)
            entry.turn.set_result(None)

    def _next(self) -> Waiting | None:
        """Return the call whose turn it is. Networks at their quarter are passed over; there are only a few of them."""
        for entry in self._follow_ups:
            if self._is_free(entry.network):
                return entry
        for network, line in self._lines.items():
            if self._is_free(network):
                return line[0]
        return None


def _less(counter: Counter[str], network: str) -> None:
    counter[network] -= 1
    if not counter[network]:
        del counter[network]


class Breaker:
    """A circuit breaker: while Drupal does not answer, calls fail at once instead of after their time-out.

    It opens when *failures* calls in a row have failed, for visitors from at least *networks* networks. So no client
    can open it alone. Then one call is let through every *seconds*, and its outcome decides.
    """

    def __init__(
        self, *, failures: int = 5, networks: int = 3, seconds: float = 5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = failures
        self._networks = networks
        self._seconds = seconds
        self._clock = clock
        self._failed: Counter[str] = Counter()
        self._opened_at: float | None = None
        self.has_answered = False

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None

    def demand_closed(self) -> None:
        """Raise DrupalUnavailable while the breaker is open, except for the one call that is let through."""
        if self._opened_at is None:
            return
        left = self._opened_at + self._seconds - self._clock()
        if left > 0:
            raise DrupalUnavailable("breaker", retry_after=left)
        self._opened_at = self._clock()

    def failed(self, network: str) -> None:
        """Count a call for *network* that failed: refused, reset or timed out, or answered by the web server alone."""
        self._failed[network] += 1
        enough = self._failed.total() >= self._most and len(self._failed) >= self._networks
        if enough and self._opened_at is None:
            self._opened_at = self._clock()
            log.warning("drupal.breaker_open", failures=self._failed.total(), addresses=len(self._failed))

    def succeeded(self) -> None:
        """Forget the failures: Drupal has answered, whatever it said. From now on it is known to answer."""
        if self._opened_at is not None:
            log.info("drupal.breaker_closed")
        self._opened_at = None
        self._failed.clear()
        self.has_answered = True
