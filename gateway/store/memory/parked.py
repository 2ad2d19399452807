"""Parked credentials, in this process."""

from heapq import heappop, heappush

from gateway.account import Credential
from gateway.errors import StoreUnavailable, TransactionClosed


class MemoryParked:
    """Credentials in a dict, and their deadlines in a heap. An entry of the heap that is out of date is ignored."""

    def __init__(self, *, most_entries: int) -> None:
        self._most = most_entries
        self._credentials: dict[str, Credential] = {}
        self._due: dict[str, float] = {}
        self._queue: list[tuple[float, str]] = []

    async def park(self, key: str, credential: Credential, *, due_at: float) -> None:
        if key not in self._credentials and len(self._credentials) >= self._most:
            raise StoreUnavailable("full")
        self._credentials[key] = credential
        self._set_due(key, due_at)

    async def take_for_handover(self, key: str, *, until: float) -> Credential:
        credential = self._credentials.get(key)
        if credential is None:
            raise TransactionClosed("not_parked")
        self._set_due(key, until)
        return credential

    async def postpone(self, key: str, *, due_at: float) -> None:
        if key in self._credentials:
            self._set_due(key, due_at)

    async def claim(self, *, now: float, lease_seconds: float, most: int) -> list[tuple[str, Credential]]:
        claimed: dict[str, Credential] = {}
        while len(claimed) < most and self._queue and self._queue[0][0] <= now:
            due_at, key = heappop(self._queue)
            if self._due.get(key) == due_at:
                claimed[key] = self._credentials[key]
        # The leases begin only after the loop: with an infinite *now*, a lease is due at once, and the loop would never
        # end.
        for key in claimed:
            self._set_due(key, now + lease_seconds)
        return list(claimed.items())

    async def remove(self, key: str) -> None:
        self._credentials.pop(key, None)
        self._due.pop(key, None)

    def _set_due(self, key: str, due_at: float) -> None:
        if self._due.get(key) != due_at:
            self._due[key] = due_at
            heappush(self._queue, (due_at, key))
