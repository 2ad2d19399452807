"""Transactions, in Redis."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import structlog

from gateway.errors import StoreUnavailable, TransactionClosed
from gateway.sealing import Sealer
from gateway.store.codec import decode_transaction, encode_transaction
from gateway.store.lifetimes import TOMBSTONE_SECONDS
from gateway.store.redis.envelope import VersionedEnvelope, front
from gateway.store.redis.newest import NewestVersions
from gateway.store.redis.server import Script, Server
from gateway.store.redis.swap import AS_BEFORE, ROUNDS, SWAP, read_later
from gateway.store.redis.wire import Reply
from gateway.transaction import State, Transaction

log = structlog.get_logger()

# The open transactions of an account are one string, in the order in which they were opened: for each its expiry as a
# double, the length of its key, and its key. A sorted set would be twice as large.
_EACH: Final = """
local times = redis.call('GET', KEYS[1]) or ''
local kept, keys, last, at = {}, {}, 0, 1
while at <= #times do
  local expires_at, key, after = struct.unpack('>dBc0', times, at)
  if wanted(expires_at, key) then
    kept[#kept + 1] = string.sub(times, at, after - 1)
    keys[#keys + 1] = key
  end
  at = after
end
"""

# ARGV: now, the packed entry of the new transaction, how many may be open, the least time to keep the string in
# milliseconds. Returns the keys of the transactions above that number, oldest first.
_ADD: Final = Script(f"""
local now = tonumber(ARGV[1])
local function wanted(expires_at, key) return expires_at > now end
{_EACH}
kept[#kept + 1] = ARGV[2]
local left = redis.call('PTTL', KEYS[1])
redis.call('SET', KEYS[1], table.concat(kept), 'PX', math.max(tonumber(ARGV[4]), left))
for i = #keys, math.max(0, #keys + 1 - tonumber(ARGV[3])) + 1, -1 do keys[i] = nil end
return keys
""")

# ARGV: the key of the transaction that is no longer open.
_LEAVE: Final = Script(f"""
local function wanted(expires_at, key) return key ~= ARGV[1] end
{_EACH}
if #kept == 0 then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], table.concat(kept), 'KEEPTTL') end
return #kept
""")

_expiry_and_length: Final = struct.Struct(">dB")


class RedisTransactions:
    """Transactions as sealed strings. They change by compare-and-swap, so that the rules stay in `transaction.py`."""

    def __init__(self, server: Server, sealer: Sealer, *, clock: Callable[[], float]) -> None:
        self._server = server
        self._clock = clock
        self._envelope = VersionedEnvelope(sealer, "transaction", encode=encode_transaction, decode=decode_transaction)
        self._newest = NewestVersions()

    async def create(self, key: str, transaction: Transaction, *, most: int, now: float) -> list[str]:
        name = _name(key)
        lifetime = _milliseconds(transaction.expires_at - now)
        expires_at = transaction.expires_at
        stored, beyond = await self._server.ask_all(
            [
                ("SET", name, self._envelope.seal(name, transaction), "NX", "PX", lifetime),
                _ADD.on(_open(transaction), now, _entry(key, expires_at), most, lifetime),
            ]
        )
        if stored is None:
            raise StoreUnavailable("exists")
        return [other.decode() for other in beyond]

    async def find(self, key: str) -> Transaction:
        return await self._read(key, await self._server.ask("GET", _name(key)))

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
                self._note(key, changed)
                return changed
            current = await self._read(key, stands if lost == 0 else await read_later(self._server, name, lost))
        raise StoreUnavailable("contended")

    async def count_open(self, uid: str, *, now: float) -> int:
        name = f"headgate:open:{uid}"
        kept = await self._server.ask_all([("GET", name), ("GET", f"{name}:known")])
        return sum(expires_at > now for of in kept for expires_at in _expiries(of or b""))

    async def _swap(self, key: str, current: Transaction, changed: Transaction) -> Reply:
        name = _name(key)
        if changed.state is State.OPEN:
            kept = self._envelope.seal(name, changed)
            return await self._server.ask(*SWAP.on(name, front(current), kept, AS_BEFORE))
        left = changed.expires_at - self._clock()
        kept = self._envelope.seal(name, changed.spent())
        swap = SWAP.on(name, front(current), kept, _milliseconds(max(left, TOMBSTONE_SECONDS)))
        # The key is removed from the account's open transactions even if the swap is lost: the next round closes the
        # transaction as well, or finds it closed.
        stands, _ = await self._server.ask_all([swap, _LEAVE.on(_open(changed), key)])
        return stands

    async def _read(self, key: str, kept: Reply) -> Transaction:
        transaction = self._unsealed(key, kept)
        if self._newest.has_newer(key, transaction.version):
            # It is read again: another task of this process may have stored a newer version after *kept* was read.
            transaction = self._unsealed(key, await self._server.ask("GET", _name(key)))
            if self._newest.has_newer(key, transaction.version):
                log.error("store.rolled_back", transaction=key)
                raise TransactionClosed("rolled_back")
        self._note(key, transaction)
        return transaction

    def _unsealed(self, key: str, kept: Reply) -> Transaction:
        if kept is None:
            raise TransactionClosed("unknown")
        transaction = self._envelope.open(_name(key), kept)
        if transaction is None:
            raise TransactionClosed("unsealable")
        return transaction

    def _note(self, key: str, transaction: Transaction) -> None:
        self._newest.note(key, transaction.version, until=transaction.expires_at, now=self._clock())


def _expiries(opened: bytes) -> Iterator[float]:
    at = 0
    while at < len(opened):
        expires_at, length = _expiry_and_length.unpack_from(opened, at)
        yield expires_at
        at += _expiry_and_length.size + length


def _name(key: str) -> str:
    return f"headgate:tx:{key}"


def _open(of: Transaction) -> str:
    return f"headgate:open:{of.uid}:known" if of.known_network else f"headgate:open:{of.uid}"


def _entry(key: str, expires_at: float) -> bytes:
    return _expiry_and_length.pack(expires_at, len(key)) + key.encode()


def _milliseconds(seconds: float) -> int:
    # Redis refuses a time to live of zero.
    return max(1, round(seconds * 1000))
