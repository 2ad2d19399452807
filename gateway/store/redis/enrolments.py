"""Enrolments, in Redis. They are permanent data, so they have no TTL."""

import secrets
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Final

from gateway.account import Enrolment
from gateway.errors import StoreUnavailable
from gateway.sealing import Sealer, Unsealable
from gateway.store.codec import decode_enrolment, encode_enrolment
from gateway.store.redis.envelope import VersionedEnvelope, front
from gateway.store.redis.server import Server
from gateway.store.redis.swap import ROUNDS, SWAP, read_later
from gateway.store.redis.wire import Reply

_PREFIX: Final = "headgate:enrolment:"
_MARKER: Final = "headgate:marker"
_MARKED: Final = b"headgate"
# How many keys Redis looks at before it answers other commands.
_AT_ONCE: Final = 1000


class RedisEnrolments:
    """Enrolments as sealed strings, changed by compare-and-swap.

    An enrolment that does not open raises StoreUnavailable. If it counted as missing, a lost seal key would switch off
    the factor of every user that has one.
    """

    def __init__(self, server: Server, sealer: Sealer) -> None:
        self._server = server
        self._sealer = sealer
        self._envelope = VersionedEnvelope(sealer, "enrolment", encode=encode_enrolment, decode=decode_enrolment)

    async def find(self, uid: str) -> Enrolment | None:
        name = _name(uid)
        return self._read(name, await self._server.ask("GET", name))

    async def update(
        self,
        uid: str,
        change: Callable[[Enrolment | None], Enrolment | None],
        *,
        seen: Enrolment | None = None,
    ) -> Enrolment | None:
        name = _name(uid)
        current = seen or await self.find(uid)
        for lost in range(ROUNDS):
            changed = change(current)
            if changed is current:
                return current
            if changed is not None:
                changed = replace(changed, version=_next(current))
            stands = await self._server.ask(*SWAP.on(name, front(current), self._close(name, changed), ""))
            if stands == 1:
                return changed
            current = self._read(name, stands if lost == 0 else await read_later(self._server, name, lost))
        raise StoreUnavailable("contended")

    async def initialise(self) -> None:
        sealed = self._sealer.seal("enrolment", _MARKER, _MARKED)
        if await self._server.ask("SET", _MARKER, sealed, "NX"):
            return
        stands = await self._server.ask("GET", _MARKER)
        if self._is_marker(stands) and not self._sealer.is_by_first(stands):
            await self._server.ask("SET", _MARKER, sealed, "XX")

    async def initialised(self) -> bool:
        return self._is_marker(await self._server.ask("GET", _MARKER))

    async def uids(self) -> AsyncGenerator[str]:
        cursor: Reply = b"0"
        # SCAN ends after one pass through all keys: 10^7 keys take 10^4 rounds.
        while True:
            cursor, names = await self._server.ask("SCAN", cursor, "MATCH", f"{_PREFIX}*", "COUNT", _AT_ONCE)
            for name in names:
                yield name.decode().removeprefix(_PREFIX)
            if cursor == b"0":
                return

    async def reseal(self, uid: str) -> bool:
        kept = await self._server.ask("GET", _name(uid))
        if kept is None or self._envelope.is_by_first(kept):
            return False
        await self.update(uid, lambda found: found and replace(found))
        return True

    def _is_marker(self, sealed: Reply) -> bool:
        try:
            return sealed is not None and self._sealer.open("enrolment", _MARKER, sealed) == _MARKED
        except Unsealable as error:
            raise StoreUnavailable("unsealable") from error

    def _close(self, name: str, changed: Enrolment | None) -> bytes:
        return b"" if changed is None else self._envelope.seal(name, changed)

    def _read(self, name: str, kept: Reply) -> Enrolment | None:
        if kept is None:
            return None
        enrolment = self._envelope.open(name, kept)
        if enrolment is None:
            raise StoreUnavailable("unsealable")
        return enrolment


def _next(current: Enrolment | None) -> int:
    # A new enrolment starts with a random version. If every one started with 1, a change that began before a deletion
    # could overwrite the enrolment that was stored after it.
    return current.version + 1 if current else secrets.randbits(31)


def _name(uid: str) -> str:
    return _PREFIX + uid
