"""A bounded dict whose entries expire."""

from heapq import heapify, heappop, heappush
from math import inf
from typing import Generic, TypeVar

from gateway.errors import StoreUnavailable

Value = TypeVar("Value")
# How many heap entries may belong to dropped values. To remove fewer would cost more than it frees.
MOST_LEFT = 1000


class Shelf(Generic[Value]):
    """Keeps at most *most* values, each until its own time. `put` raises StoreUnavailable when the shelf is full.

    The heap has one entry per name, however often its value changes, so that it grows no faster than the dict. If an
    entry comes up before its value expires, it is put back with the value's new time. Entries of dropped values are
    removed when there are more of them than of the others.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._values: dict[str, tuple[Value, float]] = {}
        self._queue: list[tuple[float, str]] = []
        self._queued: set[str] = set()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, name: str, *, now: float) -> Value | None:
        """The value; None if there is none, or its time is over."""
        found = self._values.get(name)
        return found[0] if found and found[1] > now else None

    def put(self, name: str, value: Value, *, until: float, now: float) -> None:
        """Keep *value* until *until*, instead of what was there."""
        self.purge(now=now)
        if name not in self._values and len(self._values) >= self._most:
            raise StoreUnavailable("full")
        self._values[name] = value, until
        if until < inf and name not in self._queued:
            heappush(self._queue, (until, name))
            self._queued.add(name)

    def drop(self, name: str) -> None:
        """Forget the value. An unknown name is no error."""
        self._values.pop(name, None)
        if len(self._queue) > 2 * len(self._values) + MOST_LEFT:
            self._queue = [(until, kept) for kept, (_, until) in self._values.items() if until < inf]
            self._queued = {kept for _, kept in self._queue}
            heapify(self._queue)

    def purge(self, *, now: float) -> None:
        """Forget everything that has expired."""
        while self._queue and self._queue[0][0] <= now:
            _, name = heappop(self._queue)
            self._queued.discard(name)
            until = self._values[name][1] if name in self._values else inf
            if until <= now:
                del self._values[name]
            elif until < inf:
                heappush(self._queue, (until, name))
                self._queued.add(name)
