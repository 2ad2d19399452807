"""Counters, in this process."""

from collections.abc import Sequence
from math import inf

from gateway.limit import KNOWN_NETWORK, Limit, Taken, held, judge, taken
from gateway.store.memory.shelf import Shelf


class MemoryCounters:
    """Keeps when each limit was taken, newest first. No method awaits, which makes each of them atomic."""

    def __init__(self, *, most_entries: int) -> None:
        self._takings: Shelf[list[float]] = Shelf(most=most_entries)
        # Known networks have a dict of their own, since they stay for a month. If that dict is full, no further network
        # becomes known, but no login fails.
        self._known_networks: Shelf[list[float]] = Shelf(most=most_entries)

    async def take(self, limits: Sequence[Limit], *, now: float) -> Taken:
        return self._take(limits, now=now, taking=True)

    async def check(self, limits: Sequence[Limit], *, now: float) -> Taken:
        return self._take(limits, now=now, taking=False)

    async def give_back(self, limits: Sequence[Limit], *, now: float) -> None:
        for limit in limits:
            takings = self._shelf(limit).get(limit.key, now=now)
            if takings and now in takings:
                takings.remove(now)
                if takings:
                    self._keep(limit, takings, now=now)
                else:
                    self._shelf(limit).drop(limit.key)

    async def clear(self, limits: Sequence[Limit]) -> None:
        for limit in limits:
            self._shelf(limit).drop(limit.key)

    async def holds(self, limits: Sequence[Limit], *, at: float) -> bool:
        return all(at in (self._shelf(limit).get(limit.key, now=at) or []) for limit in limits)

    def _take(self, limits: Sequence[Limit], *, now: float, taking: bool) -> Taken:
        found = [held(limit, self._shelf(limit).get(limit.key, now=now) or [], now) for limit in limits]
        for limit, takings in zip(limits, found, strict=True):
            wait = judge(limit, takings, now)
            if wait is not None:
                return Taken(refused=limit, retry_after=wait)
        if taking:
            found = [taken(limit, takings, now) for limit, takings in zip(limits, found, strict=True)]
            for limit, takings in zip(limits, found, strict=True):
                self._keep(limit, list(takings), now=now)
        return Taken(counts=tuple(len(takings) for takings in found))

    def _keep(self, limit: Limit, takings: list[float], *, now: float) -> None:
        full = limit.until_unlocked and len(takings) >= limit.most
        self._shelf(limit).put(limit.key, takings, until=inf if full else now + limit.seconds, now=now)

    def _shelf(self, limit: Limit) -> Shelf[list[float]]:
        return self._known_networks if limit.name == KNOWN_NETWORK else self._takings
