"""Which accounts a name stands for, in Redis."""

import hmac
from collections.abc import Callable
from typing import Final

from gateway.store.redis.server import Script, Server

# ARGV: uid, its proof, the least time to keep the name, in milliseconds (0: for ever). An expiry is never shortened.
_KEEP: Final = Script("""
local left = redis.call('PTTL', KEYS[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if ARGV[3] == '0' then
  redis.call('PERSIST', KEYS[1])
elseif left ~= -1 and left < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
""")


class RedisNames:
    """One hash per name, under an HMAC of the name: each uid with a proof, which is an HMAC of the two together.

    Nobody without the index key can tell the name, or make the name stand for another account. The proof is not sealed,
    so it outlives a change of the seal keys.
    """

    def __init__(self, server: Server, index: Callable[..., str]) -> None:
        self._server = server
        self._index = index

    async def keep(self, name: str, uid: str, *, seconds: float | None) -> None:
        milliseconds = 0 if seconds is None else max(1, round(seconds * 1000))
        await self._server.ask(*_KEEP.on(self._key(name), uid, self._proof(name, uid), milliseconds))

    async def uids(self, name: str) -> list[str]:
        flat = await self._server.ask("HGETALL", self._key(name))
        # "replace": somebody who can write to Redis may have written bytes that are not text.
        found = {uid.decode(errors="replace"): proof for uid, proof in zip(flat[::2], flat[1::2], strict=True)}
        return sorted(uid for uid, proof in found.items() if self._is_proof(proof, name, uid))

    def _key(self, name: str) -> str:
        return f"headgate:name:{self._index('name', name)}"

    def _proof(self, name: str, uid: str) -> str:
        return self._index("uid of name", name, uid)

    def _is_proof(self, proof: bytes, name: str, uid: str) -> bool:
        return hmac.compare_digest(proof, self._proof(name, uid).encode())
