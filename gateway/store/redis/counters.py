"""Counters, in Redis.

The times at which a limit was taken are one string: big-endian doubles, newest first. It has a third of the size of a
list, and the times come back exactly as they were given.
"""

import struct
from collections.abc import Sequence
from typing import Final

from gateway.limit import BEYOND, Limit, Taken
from gateway.store.redis.server import Script, Server
from gateway.store.redis.wire import Command, Reply

# `gateway/limit.py` in Lua; a test compares the two. Numbers are packed doubles, so that none is rounded on its way.
# It takes all limits or none. On a Cluster their keys would lie in several slots. There, each limit would have to be
# taken by itself, and given back when a later one refuses.
# ARGV: now, whether to take, then one packed limit per key.
_TAKE: Final = Script(f"""
local now = struct.unpack('>d', ARGV[1])
local held, lives = {{}}, {{}}
for i, key in ipairs(KEYS) do
  local most, seconds, first, longest, locks = struct.unpack('>ddddd', ARGV[i + 2])
  local times = redis.call('GET', key) or ''
  local count, wait = #times / 8, 0
  if not (locks == 1 and count >= most) then
    while count > 0 and struct.unpack('>d', times, count * 8 - 7) <= now - seconds do count = count - 1 end
    times = string.sub(times, 1, count * 8)
  end
  if count >= most then
    if locks == 1 or count == 0 then
      wait = seconds
    elseif first > 0 then
      wait = struct.unpack('>d', times) + math.min(first * 2 ^ (count - most), longest) - now
    else
      wait = struct.unpack('>d', times, most * 8 - 7) + seconds - now
    end
    if wait > 0 then return {{i, struct.pack('>d', wait)}} end
  end
  if ARGV[2] == '1' then times = ARGV[1] .. string.sub(times, 1, (most + {BEYOND} - 1) * 8) end
  held[i] = times
  lives[i] = not (locks == 1 and #times / 8 >= most) and math.max(1, math.ceil(seconds * 1000))
end
local counts = {{0}}
for i, times in ipairs(held) do
  if ARGV[2] == '1' then
    if lives[i] then redis.call('SET', KEYS[i], times, 'PX', lives[i]) else redis.call('SET', KEYS[i], times) end
  end
  counts[i + 1] = #times / 8
end
return counts
""")

# ARGV: the time to remove (once, if it is there several times); milliseconds to keep the rest.
_GIVE_BACK: Final = Script("""
local times = redis.call('GET', KEYS[1]) or ''
for at = 1, #times, 8 do
  if string.sub(times, at, at + 7) == ARGV[1] then
    local rest = string.sub(times, 1, at - 1) .. string.sub(times, at + 8)
    if rest == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], rest, 'PX', ARGV[2]) end
    return 1
  end
end
return 0
""")

_time: Final = struct.Struct(">d")
_limit: Final = struct.Struct(">ddddd")


class RedisCounters:
    """Keeps when each limit was taken; `limit.py` says what follows from it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def take(self, limits: Sequence[Limit], *, now: float) -> Taken:
        return await self._take(limits, now=now, taking=b"1")

    async def check(self, limits: Sequence[Limit], *, now: float) -> Taken:
        return await self._take(limits, now=now, taking=b"0")

    async def give_back(self, limits: Sequence[Limit], *, now: float) -> None:
        if limits:
            time = _time.pack(now)
            commands = [_GIVE_BACK.on(_name(limit), time, _milliseconds(limit)) for limit in limits]
            await self._server.ask_all(commands)

    async def clear(self, limits: Sequence[Limit]) -> None:
        if limits:
            commands: list[Command] = [("DEL", _name(limit)) for limit in limits]
            await self._server.ask_all(commands)

    async def holds(self, limits: Sequence[Limit], *, at: float) -> bool:
        if not limits:
            return True
        commands: list[Command] = [("GET", _name(limit)) for limit in limits]
        return all(at in _times(kept) for kept in await self._server.ask_all(commands))

    async def _take(self, limits: Sequence[Limit], *, now: float, taking: bytes) -> Taken:
        if not limits:
            return Taken()
        names = [_name(limit) for limit in limits]
        packed = [_packed(limit) for limit in limits]
        refused, *rest = await self._server.ask(*_TAKE.on_all(names, _time.pack(now), taking, *packed))
        if refused:
            [wait] = _time.unpack(rest[0])
            return Taken(refused=limits[refused - 1], retry_after=wait)
        return Taken(counts=tuple(rest))


def _times(kept: Reply) -> set[float]:
    return {time for (time,) in _time.iter_unpack(kept or b"")}


def _packed(limit: Limit) -> bytes:
    return _limit.pack(limit.most, limit.seconds, limit.wait_first, limit.wait_most, limit.until_unlocked)


def _name(limit: Limit) -> str:
    return f"headgate:count:{limit.key}"


def _milliseconds(limit: Limit) -> int:
    return max(1, round(limit.seconds * 1000))
