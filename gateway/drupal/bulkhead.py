"""How much of Drupal one gateway, and one address, may use at once; and when to leave Drupal alone (promise 13)."""

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
    """A call that has no place yet; *turn* is done when it has one, or is refused."""

    place: str
    turn: asyncio.Future[None]
    follow_up: bool


class Bulkhead:
    """At most *most* calls at once and a queue no longer than that; a quarter of each for one address.

    A call that follows up a login comes before new logins, in its turn and in the queue: turned away, it would throw
    away a session that Drupal has opened already, while a login that waits has asked for nothing yet.
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
    async def slot(self, place: str, *, follow_up: bool = False) -> AsyncGenerator[None]:
        """One call's place at Drupal. *place* is the address it is made for, empty for our own. Raises DrupalBusy."""
        if not self._has_room(place):
            await self._wait(place, follow_up=follow_up)
        else:
            self._enter(place)
        try:
            yield
        finally:
            self._leave(place)

    def _has_room(self, place: str) -> bool:
        return self._busy < self._most and (not place or self._busy_of[place] < self._quarter)

    def _enter(self, place: str) -> None:
        self._busy += 1
        self._busy_of[place] += 1

    def _leave(self, place: str) -> None:
        self._busy -= 1
        _less(self._busy_of, place)
        self._let_in()

    async def _wait(self, place: str, *, follow_up: bool) -> None:
        entry = self._enqueue(place, follow_up=follow_up)
        try:
            async with asyncio.timeout(self._queue_seconds):
                await entry.turn
        except BaseException as error:
            if entry in self._queue:
                self._unqueue(entry)
            elif not entry.turn.cancelled() and entry.turn.exception() is None:
                # Its turn came as it gave up.
                self._leave(place)
            if isinstance(error, TimeoutError):
                raise DrupalBusy("slot", retry_after=BUSY_SECONDS) from None
            raise

    def _enqueue(self, place: str, *, follow_up: bool) -> Waiting:
        full_here = bool(place) and self._waiting_of[place] >= self._quarter
        if full_here or len(self._queue) >= self._most:
            last = self._last_login(place if full_here else None) if follow_up else None
            if last is None:
                raise DrupalBusy("queue", retry_after=BUSY_SECONDS)
            self._unqueue(last)
            last.turn.set_exception(DrupalBusy("follow_up", retry_after=BUSY_SECONDS))
        entry = Waiting(place=place, turn=asyncio.get_running_loop().create_future(), follow_up=follow_up)
        self._queue.insert(sum(each.follow_up for each in self._queue) if follow_up else len(self._queue), entry)
        self._waiting_of[place] += 1
        return entry

    def _last_login(self, place: str | None) -> Waiting | None:
        """Whoever came last and loses nothing by going, at *place* or at any. Our own calls are no logins."""
        for entry in reversed(self._queue):
            if entry.place and not entry.follow_up and not entry.turn.done() and place in (None, entry.place):
                return entry
        return None

    def _unqueue(self, entry: Waiting) -> None:
        self._queue.remove(entry)
        _less(self._waiting_of, entry.place)

    def _let_in(self) -> None:
        """Whoever has waited longest and may: an address at its quarter does not hold up the others."""
        for entry in list(self._queue):
            if self._busy >= self._most:
                return
            if entry.turn.done():
                continue
            if self._has_room(entry.place):
                # At once: counted as waiting until it runs, it would keep out whom it has made room for.
                self._unqueue(entry)
                self._enter(entry.place)
                entry.turn.set_result(None)


def _less(counter: Counter[str], place: str) -> None:
    counter[place] -= 1
    if not counter[place]:
        del counter[place]


class Breaker:
    """Answers for Drupal while Drupal answers nobody, so that nobody waits for a time-out.

    It opens after *failures* failures without a success, seen from at least *places* addresses: whatever one client
    does, it stays closed. After *seconds* one call at a time tries again.
    """

    def __init__(
        self, *, failures: int = 5, places: int = 3, seconds: float = 5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = failures
        self._places = places
        self._seconds = seconds
        self._clock = clock
        self._failed: Counter[str] = Counter()
        self._opened_at: float | None = None

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None

    def demand_closed(self) -> None:
        """Raise DrupalUnavailable while it is open; every *seconds* one call passes and decides."""
        if self._opened_at is None:
            return
        left = self._opened_at + self._seconds - self._clock()
        if left > 0:
            raise DrupalUnavailable("breaker", retry_after=left)
        self._opened_at = self._clock()

    def failed(self, place: str) -> None:
        """Drupal did not answer a call for *place*: refused, reset, timed out, or its web server spoke for it."""
        self._failed[place] += 1
        enough = self._failed.total() >= self._most and len(self._failed) >= self._places
        if enough and self._opened_at is None:
            self._opened_at = self._clock()
            log.warning("drupal.breaker_open", failures=self._failed.total(), addresses=len(self._failed))

    def succeeded(self) -> None:
        """Drupal answered, whatever it said."""
        if self._opened_at is not None:
            log.info("drupal.breaker_closed")
        self._opened_at = None
        self._failed.clear()
