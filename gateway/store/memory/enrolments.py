"""Enrolments, in this process: to try the gateway out."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from gateway.account import Enrolment
from gateway.errors import StoreUnavailable


class MemoryEnrolments:
    """Enrolments in a dict, which ends with the process."""

    def __init__(self, *, most_entries: int) -> None:
        self._most = most_entries
        self._kept: dict[str, Enrolment] = {}
        self._initialised = False

    async def find(self, uid: str) -> Enrolment | None:
        return self._kept.get(uid)

    async def update(
        self,
        uid: str,
        change: Callable[[Enrolment | None], Enrolment | None],
        *,
        seen: Enrolment | None = None,
    ) -> Enrolment | None:
        del seen  # Reading costs nothing here, and what is read is never stale.
        current = self._kept.get(uid)
        changed = change(current)
        if changed is current:
            return current
        if changed is None:
            del self._kept[uid]
            return None
        if current is None and len(self._kept) >= self._most:
            raise StoreUnavailable("full")
        self._kept[uid] = replace(changed, version=current.version + 1 if current else 1)
        return self._kept[uid]

    async def initialise(self) -> None:
        self._initialised = True

    async def initialised(self) -> bool:
        return self._initialised

    async def uids(self) -> AsyncGenerator[str]:
        for uid in tuple(self._kept):
            yield uid

    async def reseal(self, uid: str) -> bool:
        # Nothing leaves the process, so nothing is sealed.
        del uid
        return False
