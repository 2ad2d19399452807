"""Compare and swap of one value, by the version in front of it."""

import asyncio
import random
from typing import Final

from gateway.store.redis.server import Script, Server
from gateway.store.redis.wire import Reply

# A change is given up after this many rounds. Each lost round means that another change was stored.
ROUNDS: Final = 1000

_FIRST_PAUSE_SECONDS: Final = 0.001
_LONGEST_PAUSE_SECONDS: Final = 0.1

# Leaves the time to live as it is, so that only the clock of Redis decides when it ends.
AS_BEFORE: Final = "KEEPTTL"

# ARGV: the version that was read ('' for none), the new value ('' to delete), milliseconds to keep it ('' for ever) or
# AS_BEFORE. Returns 1, or the value that is there instead, which saves reading it.
SWAP: Final = Script("""
local stands = redis.call('GETRANGE', KEYS[1], 0, 7)
if stands ~= ARGV[1] then return redis.call('GET', KEYS[1]) end
if ARGV[2] == '' then redis.call('DEL', KEYS[1])
elseif ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
elseif ARGV[3] == 'KEEPTTL' then redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
""")


async def read_later(server: Server, name: str, lost: int) -> Reply:
    """Read *name* after a pause, which grows with the number of *lost* rounds."""
    longest = min(_FIRST_PAUSE_SECONDS * 2.0**lost, _LONGEST_PAUSE_SECONDS)
    # The pause is random: otherwise all would come back at the same time.
    await asyncio.sleep(random.uniform(0, longest))  # noqa: S311  # spreads load, hides nothing
    return await server.ask("GET", name)
