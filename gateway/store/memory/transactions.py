"""Transactions, in this process."""

from collections.abc import Callable
from dataclasses import replace

from gateway.errors import StoreUnavailable, TransactionClosed
from gateway.store.lifetimes import TOMBSTONE_SECONDS
from gateway.store.memory.shelf import Shelf
from gateway.transaction import State, Transaction


class MemoryTransactions:
    """Transactions in a dict. No method awaits between reading and writing, which makes each of them atomic."""

    def __init__(self, *, most_entries: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: Shelf[Transaction] = Shelf(most=most_entries)
        # By account: the keys of its open transactions, oldest first, and when each expires.
        self._open: Shelf[dict[str, float]] = Shelf(most=most_entries)

    async def create(self, key: str, transaction: Transaction, *, most: int, now: float) -> list[str]:
        if self._kept.get(key, now=now):
            raise StoreUnavailable("exists")
        self._kept.put(key, transaction, until=transaction.expires_at, now=now)
        account = _account(transaction)
        known = self._open.get(account, now=now) or {}
        opened = {other: expires_at for other, expires_at in known.items() if expires_at > now}
        opened[key] = transaction.expires_at
        self._open.put(account, opened, until=max(opened.values()), now=now)
        return list(opened)[: max(0, len(opened) - most)]

    async def find(self, key: str) -> Transaction:
        found = self._kept.get(key, now=self._clock())
        if found is None:
            raise TransactionClosed("unknown")
        return found

    async def update(
        self, key: str, change: Callable[[Transaction], Transaction], *, seen: Transaction | None = None
    ) -> Transaction:
        del seen  # Reading costs nothing here, and what is read is never stale.
        current = await self.find(key)
        changed = change(current)
        if changed is current:
            return current
        changed = replace(changed, version=current.version + 1)
        self._keep(key, changed)
        return changed

    async def count_open(self, uid: str, *, now: float) -> int:
        opened = [self._open.get(account, now=now) or {} for account in (uid, f"{uid}:known")]
        return sum(expires_at > now for of in opened for expires_at in of.values())

    def _keep(self, key: str, changed: Transaction) -> None:
        now = self._clock()
        if changed.state is State.OPEN:
            self._kept.put(key, changed, until=changed.expires_at, now=now)
            return
        until = max(changed.expires_at, now + TOMBSTONE_SECONDS)
        self._kept.put(key, changed.spent(), until=until, now=now)
        (self._open.get(_account(changed), now=now) or {}).pop(key, None)


def _account(of: Transaction) -> str:
    return f"{of.uid}:known" if of.known_network else of.uid
