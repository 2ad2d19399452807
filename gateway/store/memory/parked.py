"""Drupal sessions that nobody holds yet, in this process."""

from heapq import heappop, heappush

from gateway.account import DrupalSession
from gateway.errors import StoreUnavailable, TransactionClosed


class MemoryParked:
    """Sessions in a dict, their deadlines in a heap; a place there that no longer fits its session is passed over."""

    def __init__(self, *, most_entries: int) -> None:
        self._most = most_entries
        self._sessions: dict[str, DrupalSession] = {}
        self._due: dict[str, float] = {}
        self._queue: list[tuple[float, str]] = []

    async def park(self, key: str, session: DrupalSession, *, due_at: float) -> None:
        if key not in self._sessions and len(self._sessions) >= self._most:
            raise StoreUnavailable("full")
        self._sessions[key] = session
        self._set_due(key, due_at)

    async def take_for_handover(self, key: str, *, until: float) -> DrupalSession:
        session = self._sessions.get(key)
        if session is None:
            raise TransactionClosed("not_parked")
        self._set_due(key, until)
        return session

    async def postpone(self, key: str, *, due_at: float) -> None:
        if key in self._sessions:
            self._set_due(key, due_at)

    async def claim(self, *, now: float, lease_seconds: float, most: int) -> list[tuple[str, DrupalSession]]:
        claimed: dict[str, DrupalSession] = {}
        while len(claimed) < most and self._queue and self._queue[0][0] <= now:
            due_at, key = heappop(self._queue)
            if self._due.get(key) == due_at:
                claimed[key] = self._sessions[key]
        # Afterwards: at the end of time a lease is due at once.
        for key in claimed:
            self._set_due(key, now + lease_seconds)
        return list(claimed.items())

    async def remove(self, key: str) -> None:
        self._sessions.pop(key, None)
        self._due.pop(key, None)

    def _set_due(self, key: str, due_at: float) -> None:
        if self._due.get(key) != due_at:
            self._due[key] = due_at
            heappush(self._queue, (due_at, key))
