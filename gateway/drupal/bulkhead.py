"""Limits on the calls to Drupal (promise 13).

The bulkhead limits how many run at once, in all and for one address. The circuit breaker refuses calls while Drupal
does not answer.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from gateway.errors import DrupalBusy, DrupalUnavailable

log = structlog.get_logger()

BUSY_SECONDS = 2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Waiting:
    """A call in the queue. *turn* is done when the call may run, or is refused."""

    network: str
    turn: asyncio.Future[None]
    follow_up: bool


class Bulkhead:
    """Lets *most* calls run at once, and the same number wait. One address gets a quarter of each.

    A call that follows up a login goes before new logins: it runs first, and takes the place of one in a full queue. If
    it were refused, the session that Drupal has opened would be lost; a login that waits has opened nothing yet.
    """

    def __init__(self, most: int, *, queue_seconds: float) -> None:
        self._most = most
        self._quarter = max(1, most // 4)
        self._queue_seconds = queue_seconds
        self._busy = 0
        self._busy_of: Counter[str] = Counter()
        self._waiting_of: Counter[str] = Counter()
        # Follow-ups in front.
        self._queue: deque[Waiting] = deque()

    @asynccontextmanager
    async def slot(self, network: str, *, follow_up: bool = False) -> AsyncGenerator[None]:
        """Hold a slot for one call. *network* is the visitor's network; empty for the gateway's own calls.

        Raises DrupalBusy when the queue is full, or the call has waited too long.
        """
        if not self._is_free(network):
            await self._wait(network, follow_up=follow_up)
        else:
            self._enter(network)
        try:
            yield
        finally:
            self._leave(network)

    def _is_free(self, network: str) -> bool:
        return self._busy < self._most and (not network or self._busy_of[network] < self._quarter)

    def _enter(self, network: str) -> None:
        self._busy += 1
        self._busy_of[network] += 1

    def _leave(self, network: str) -> None:
        self._busy -= 1
        _less(self._busy_of, network)
        self._let_in()

    async def _wait(self, network: str, *, follow_up: bool) -> None:
        entry = self._enqueue(network, follow_up=follow_up)
        try:
            async with asyncio.timeout(self._queue_seconds):
                await entry.turn
        except BaseException as error:
            if entry in self._queue:
                self._unqueue(entry)
            elif not entry.turn.cancelled() and entry.turn.exception() is None:
                # The call got its slot just when it gave up.
                self._leave(network)
            if isinstance(error, TimeoutError):
                raise DrupalBusy("slot", retry_after=BUSY_SECONDS) from None
            raise

    def _enqueue(self, network: str, *, follow_up: bool) -> Waiting:
        full_here = bool(network) and self._waiting_of[network] >= self._quarter
        if full_here or len(self._queue) >= self._most:
            last = self._last_login(network if full_here else None) if follow_up else None
            if last is None:
                raise DrupalBusy("queue", retry_after=BUSY_SECONDS)
            self._unqueue(last)
            last.turn.set_exception(DrupalBusy("follow_up", retry_after=BUSY_SECONDS))
        entry = Waiting(network=network, turn=asyncio.get_running_loop().create_future(), follow_up=follow_up)
        self._queue.insert(sum(each.follow_up for each in self._queue) if follow_up else len(self._queue), entry)
        self._waiting_of[network] += 1
        return entry

    def _last_login(self, network: str | None) -> Waiting | None:
        """The newest login in the queue, of *network* or of any address. The gateway's own calls are no logins."""
        for entry in reversed(self._queue):
            if entry.network and not entry.follow_up and not entry.turn.done() and network in (None, entry.network):
                return entry
        return None

    def _unqueue(self, entry: Waiting) -> None:
        self._queue.remove(entry)
        _less(self._waiting_of, entry.network)

    def _let_in(self) -> None:
        """Start the calls that may run, in the order of the queue. Skip an address that fills its quarter."""
        for entry in list(self._queue):
            if self._busy >= self._most:
                return
            if entry.turn.done():
                continue
            if self._is_free(entry.network):
                # At once, not when the task of the call runs: until then, the call would count as waiting and keep
                # others out.
                self._unqueue(entry)
                self._enter(entry.network)
                entry.turn.set_result(None)


def _less(counter: Counter[str], network: str) -> None:
    counter[network] -= 1
    if not counter[network]:
        del counter[network]


class Breaker:
    """A circuit breaker: while Drupal does not answer, calls fail at once instead of after their time-out.

    It opens after *failures* failures in a row, for at least *networks* addresses, so that no client can open it
    alone. Then one call is let through every *seconds*, and its outcome decides.
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

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None

    def demand_closed(self) -> None:
        """Raise DrupalUnavailable while it is open, except for the one call that is let through."""
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
        """Forget the failures: Drupal has answered, whatever it said."""
        if self._opened_at is not None:
            log.info("drupal.breaker_closed")
        self._opened_at = None
        self._failed.clear()
