"""Drupal sessions that nobody holds yet, in Redis."""

from typing import Final

from gateway.account import DrupalSession
from gateway.errors import TransactionClosed
from gateway.store.codec import decode_credential, encode_credential
from gateway.store.lifetimes import PARKED_SECONDS
from gateway.store.redis.envelope import Envelope
from gateway.store.redis.server import Script, Server
from gateway.store.redis.wire import Command, Reply
from gateway.store.sealing import Sealer

_DEADLINES: Final = "headgate:deadlines"

# ARGV: now, end of the lease, how many. Answers the keys that are due, which now are not before the lease ends.
_CLAIM: Final = Script("""
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, key in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[2], key) end
return due
""")


class RedisParked:
    """Sessions as sealed strings, their deadlines in one sorted set."""

    def __init__(self, server: Server, sealer: Sealer) -> None:
        self._server = server
        self._envelope = Envelope(sealer, "parked", encode=encode_credential, decode=decode_credential)

    async def park(self, key: str, session: DrupalSession, *, due_at: float) -> None:
        name = _name(key)
        sealed = self._envelope.seal(name, session)
        # The session first: a deadline without one means that it was removed, and is dropped.
        await self._server.ask_all([("SET", name, sealed, "EX", PARKED_SECONDS), ("ZADD", _DEADLINES, due_at, key)])

    async def take_for_handover(self, key: str, *, until: float) -> DrupalSession:
        # Not only where there is a deadline: a failover that lost it must not leave a session that is never due.
        kept, _ = await self._server.ask_all([("GET", _name(key)), ("ZADD", _DEADLINES, until, key)])
        session = self._read(key, kept)
        if session is None:
            raise TransactionClosed("not_parked")
        return session

    async def postpone(self, key: str, *, due_at: float) -> None:
        await self._server.ask("ZADD", _DEADLINES, "XX", due_at, key)

    async def claim(self, *, now: float, lease_seconds: float, most: int) -> list[tuple[str, DrupalSession]]:
        due: list[bytes] = await self._server.ask(*_CLAIM.on(_DEADLINES, now, now + lease_seconds, most))
        if not due:
            return []
        keys = [key.decode() for key in due]
        reads: list[Command] = [("GET", _name(key)) for key in keys]
        kept = await self._server.ask_all(reads)
        found = {key: self._read(key, one) for key, one in zip(keys, kept, strict=True)}
        await self._forget([key for key, session in found.items() if session is None])
        return [(key, session) for key, session in found.items() if session is not None]

    async def remove(self, key: str) -> None:
        await self._forget([key])

    async def _forget(self, keys: list[str]) -> None:
        if not keys:
            return
        deletes: list[Command] = [("DEL", _name(key)) for key in keys]
        await self._server.ask_all([*deletes, ("ZREM", _DEADLINES, *keys)])

    def _read(self, key: str, kept: Reply) -> DrupalSession | None:
        # One that can't be opened is as good as gone: nobody can log it out any more, Drupal ends it in its own time.
        return None if kept is None else self._envelope.open(_name(key), kept)


def _name(key: str) -> str:
    return f"headgate:parked:{key}"
