"""Parked credentials, in Redis."""

from typing import Final

from gateway.account import Credential
from gateway.errors import TransactionClosed
from gateway.sealing import Sealer
from gateway.store.codec import decode_credential, encode_credential
from gateway.store.lifetimes import PARKED_SECONDS
from gateway.store.redis.envelope import Envelope
from gateway.store.redis.server import Script, Server
from gateway.store.redis.wire import Command, Reply

_DEADLINES: Final = "headgate:deadlines"

# ARGV: now, the end of the lease, how many. Returns the keys that are due, and makes them due at the end of the lease.
_CLAIM: Final = Script("""
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, key in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[2], key) end
return due
""")


class RedisParked:
    """Credentials as sealed strings, and their deadlines in one sorted set."""

    def __init__(self, server: Server, sealer: Sealer) -> None:
        self._server = server
        self._envelope = Envelope(sealer, "parked", encode=encode_credential, decode=decode_credential)

    async def park(self, key: str, credential: Credential, *, due_at: float) -> None:
        name = _name(key)
        sealed = self._envelope.seal(name, credential)
        # The credential is written first: if `claim` finds a deadline without one, it drops the deadline.
        await self._server.ask_all([("SET", name, sealed, "EX", PARKED_SECONDS), ("ZADD", _DEADLINES, due_at, key)])

    async def take_for_handover(self, key: str, *, until: float) -> Credential:
        # The deadline is set even if there is none: where a failover has lost it, the credential must become due again.
        kept, _ = await self._server.ask_all([("GET", _name(key)), ("ZADD", _DEADLINES, until, key)])
        credential = self._read(key, kept)
        if credential is None:
            raise TransactionClosed("not_parked")
        return credential

    async def postpone(self, key: str, *, due_at: float) -> None:
        await self._server.ask("ZADD", _DEADLINES, "XX", due_at, key)

    async def claim(self, *, now: float, lease_seconds: float, most: int) -> list[tuple[str, Credential]]:
        due: list[bytes] = await self._server.ask(*_CLAIM.on(_DEADLINES, now, now + lease_seconds, most))
        if not due:
            return []
        keys = [key.decode() for key in due]
        reads: list[Command] = [("GET", _name(key)) for key in keys]
        kept = await self._server.ask_all(reads)
        found = {key: self._read(key, one) for key, one in zip(keys, kept, strict=True)}
        await self._forget([key for key, credential in found.items() if credential is None])
        return [(key, credential) for key, credential in found.items() if credential is not None]

    async def remove(self, key: str) -> None:
        await self._forget([key])

    async def _forget(self, keys: list[str]) -> None:
        if not keys:
            return
        deletes: list[Command] = [("DEL", _name(key)) for key in keys]
        await self._server.ask_all([*deletes, ("ZREM", _DEADLINES, *keys)])

    def _read(self, key: str, kept: Reply) -> Credential | None:
        # A credential that does not open counts as gone: the gateway can't log it out, and Drupal ends it when it
        # expires.
        return None if kept is None else self._envelope.open(_name(key), kept)


def _name(key: str) -> str:
    return f"headgate:parked:{key}"
