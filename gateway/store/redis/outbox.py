"""Messages to be sent, in a Redis stream that all couriers share."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Literal

from gateway.errors import DeliveryUnavailable, StoreUnavailable
from gateway.interfaces import Claimed, Message, Word
from gateway.sealing import Sealer
from gateway.store.codec import decode_message, encode_message
from gateway.store.redis.envelope import Envelope
from gateway.store.redis.server import Script, Server
from gateway.store.redis.wire import Command, Reply

_STREAM: Final = "headgate:outbox"
_GROUP: Final = "couriers"
# A courier that holds no message and has asked for none in this time is gone; its name is never used again.
_GONE_MILLISECONDS: Final = 3_600_000

# ARGV: how many may wait, message id, sealed message.
_PUT: Final = Script("""
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('XADD', KEYS[1], '*', 'id', ARGV[2], 'sealed', ARGV[3])
return 1
""")

# ARGV: group, courier, entries. It extends only claims that are still the courier's own.
_KEEP: Final = Script("""
for i = 3, #ARGV do
  if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) > 0 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
  end
end
return 1
""")

# ARGV: group, milliseconds. Removes the names of ended processes from the group.
_SWEEP: Final = Script("""
local couriers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if couriers.err then return 0 end
for _, courier in ipairs(couriers) do
  if courier[4] == 0 and courier[6] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], courier[2])
  end
end
return 1
""")


class RedisOutbox:
    """Messages as sealed entries of a stream. A claim ends *claim_seconds* after it was extended."""

    def __init__(
        self, server: Server, sealer: Sealer, *, most: int, claim_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._server = server
        self._envelope = Envelope(sealer, "outbox", encode=encode_message, decode=decode_message)
        self._most = most
        self._claim_seconds = claim_seconds
        self._clock = clock
        self._look_at = 0.0

    async def put(self, message: Message) -> None:
        sealed = self._envelope.seal(_sealed_name(message.id), message)
        accepted = await self._server.ask(*_PUT.on(_STREAM, self._most, message.id, sealed))
        if not accepted:
            raise DeliveryUnavailable("full")

    async def claim(self, *, courier: str, most: int, wait_seconds: float) -> list[Claimed]:
        try:
            return await self._claim(courier, most, wait_seconds)
        except StoreUnavailable as error:
            if error.reason != "no_group":
                raise
        # Redis is new, or was emptied: the consumer group is missing.
        await self._make_group()
        return await self._claim(courier, most, wait_seconds)

    async def keep(self, receipts: Sequence[str], *, courier: str) -> None:
        if receipts:
            await self._server.ask(*_KEEP.on(_STREAM, _GROUP, courier, *[_entry(receipt) for receipt in receipts]))

    async def finish(self, claimed: Claimed, *, word: Literal["sent", "failed"], until: float) -> None:
        entry, _, message_id = claimed.receipt.partition(" ")
        commands: list[Command] = [("XACK", _STREAM, _GROUP, entry), ("XDEL", _STREAM, entry)]
        if message_id:
            kept_for = max(1, round((until - self._clock()) * 1000))
            # If two couriers tried the same message, the one that sent it is right.
            only_first = ("NX",) if word == "failed" else ()
            commands.insert(0, ("SET", _word_name(message_id), word, "PX", kept_for, *only_first))
        await self._server.ask_all(commands)

    async def words(self, ids: Sequence[str]) -> list[Word]:
        if not ids:
            return []
        commands: list[Command] = [("GET", _word_name(each)) for each in ids]
        return [_word(reply) for reply in await self._server.ask_all(commands)]

    async def _claim(self, courier: str, most: int, wait_seconds: float) -> list[Claimed]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        while True:
            silent = await self._look(courier, most)
            if silent:
                return silent
            fresh = await self._fresh(courier, most, min(deadline, self._look_at) - loop.time())
            if fresh or loop.time() >= deadline:
                return fresh

    async def _look(self, courier: str, most: int) -> list[Claimed]:
        """Claim what silent couriers hold, at most four times in *claim_seconds*."""
        now = asyncio.get_running_loop().time()
        if now < self._look_at:
            return []
        if not self._look_at:
            await self._server.ask(*_SWEEP.on(_STREAM, _GROUP, _GONE_MILLISECONDS))
        self._look_at = now + self._claim_seconds / 4
        return await self._silent(courier, most)

    async def _silent(self, courier: str, most: int) -> list[Claimed]:
        idle = round(self._claim_seconds * 1000)
        cursor, entries = b"0-0", []
        # One call looks at a part of the claimed messages, and may find none there.
        while True:
            claim: Command = ("XAUTOCLAIM", _STREAM, _GROUP, courier, idle, cursor, "COUNT", most)
            cursor, entries, *_ = await self._server.ask(*claim)
            if entries or cursor == b"0-0":
                break
        if not entries:
            return []
        asks: list[Command] = [("XPENDING", _STREAM, _GROUP, entry, entry, 1) for entry, _ in entries]
        pending = await self._server.ask_all(asks)
        return [self._claimed(entry, one[0][3] if one else 1) for entry, one in zip(entries, pending, strict=True)]

    async def _fresh(self, courier: str, most: int, wait_seconds: float) -> list[Claimed]:
        # For Redis, a BLOCK of 0 means for ever.
        block = ("BLOCK", max(1, round(wait_seconds * 1000))) if wait_seconds > 0 else ()
        read: Command = ("XREADGROUP", "GROUP", _GROUP, courier, "COUNT", most, *block, "STREAMS", _STREAM, ">")
        streams = await self._server.wait(*read, seconds=max(0.0, wait_seconds))
        return [self._claimed(entry, 1) for _, entries in streams or () for entry in entries]

    async def _make_group(self) -> None:
        try:
            # From the beginning: messages from before the first courier must be sent, too.
            await self._server.ask("XGROUP", "CREATE", _STREAM, _GROUP, "0", "MKSTREAM")
        except StoreUnavailable as error:
            if error.reason != "group_exists":
                raise

    def _claimed(self, entry: Reply, times: int) -> Claimed:
        """The claimed entry. Its message is None if it can't be read, so that the courier ends it as failed."""
        number, pairs = entry
        fields = dict(zip(pairs[::2], pairs[1::2], strict=True)) if pairs else {}
        message_id = fields.get(b"id", b"").decode("ascii", "replace")
        message = self._envelope.open(_sealed_name(message_id), fields.get(b"sealed", b""))
        return Claimed(receipt=f"{number.decode()} {message_id}", message=message, times=times)


def _sealed_name(id: str) -> str:
    return f"{_STREAM} {id}"


def _entry(receipt: str) -> str:
    return receipt.partition(" ")[0]


def _word_name(id: str) -> str:
    return f"headgate:word:{id}"


def _word(kept: Reply) -> Word:
    match kept:
        case b"sent":
            return "sent"
        case b"failed":
            return "failed"
        case _:
            return "queued"
