"""Logins that wait for their code, in Redis."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gateway.errors import StoreUnavailable, TransactionClosed
from gateway.store.codec import Sealer, decode_transaction, encode_transaction
from gateway.store.lifetimes import TOMBSTONE_SECONDS
from gateway.store.redis.envelope import VersionedEnvelope, front
from gateway.store.redis.server import Script, Server
from gateway.store.redis.swap import ROUNDS, SWAP, pause
from gateway.store.redis.wire import Command, Reply
from gateway.transaction import State, Transaction

# ARGV: now, key, its expiry, how many may be open, milliseconds to keep the whole. Answers those beyond, oldest first.
_ADD: Final = Script("""
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
local beyond = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
local oldest = {}
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if #oldest >= beyond then break end
  if key ~= ARGV[2] then oldest[#oldest + 1] = key end
end
return oldest
""")


class RedisTransactions:
    """Transactions as sealed strings, changed by compare-and-swap, so that the rules stay in `transaction.py`."""

    def __init__(self, server: Server, sealer: Sealer, *, clock: Callable[[], float]) -> None:
        self._server = server
        self._clock = clock
        self._envelope = VersionedEnvelope(sealer, "transaction", encode=encode_transaction, decode=decode_transaction)

    async def create(self, key: str, transaction: Transaction, *, most: int, now: float) -> list[str]:
        name = _name(key)
        lifetime = _milliseconds(transaction.expires_at - now)
        expires_at = transaction.expires_at
        stored, beyond = await self._server.ask_all(
            [
                ("SET", name, self._envelope.seal(name, transaction), "NX", "PX", lifetime),
                _ADD.on(_open(transaction.uid), now, key, expires_at, most, lifetime),
            ]
        )
        if stored is None:
            raise StoreUnavailable("exists")
        return [other.decode() for other in beyond]

    async def find(self, key: str) -> Transaction:
        name = _name(key)
        return self._read(name, await self._server.ask("GET", name))

    async def update(
        self, key: str, change: Callable[[Transaction], Transaction], *, seen: Transaction | None = None
    ) -> Transaction:
        name = _name(key)
        current = seen or await self.find(key)
        for lost in range(ROUNDS):
            changed = change(current)
            if changed is current:
                return current
            changed = replace(changed, version=current.version + 1)
            stands = await self._swap(key, current, changed)
            if stands == 1:
                return changed
            current = self._read(name, stands)
            await pause(lost)
        raise StoreUnavailable("contended")

    async def _swap(self, key: str, current: Transaction, changed: Transaction) -> Reply:
        name = _name(key)
        left = changed.expires_at - self._clock()
        if changed.state is State.OPEN:
            kept = self._envelope.seal(name, changed)
            return await self._server.ask(*SWAP.on(name, front(current), kept, _milliseconds(left)))
        kept = self._envelope.seal(name, changed.spent())
        swap = SWAP.on(name, front(current), kept, _milliseconds(max(left, TOMBSTONE_SECONDS)))
        # Also when the swap is lost: the next round ends it too, or finds that somebody did.
        leave: Command = ("ZREM", _open(changed.uid), key)
        stands, _ = await self._server.ask_all([swap, leave])
        return stands

    def _read(self, name: str, kept: Reply) -> Transaction:
        if kept is None:
            raise TransactionClosed("unknown")
        transaction = self._envelope.open(name, kept)
        if transaction is None:
            raise TransactionClosed("unsealable")
        return transaction


def _name(key: str) -> str:
    return f"headgate:tx:{key}"


def _open(uid: str) -> str:
    return f"headgate:open:{uid}"


def _milliseconds(seconds: float) -> int:
    # Redis refuses to keep anything for no time at all.
    return max(1, round(seconds * 1000))
