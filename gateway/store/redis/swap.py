"""Compare and swap of one value, by the version that stands in front of it."""

import asyncio
import random
from typing import Final

from gateway.store.redis.server import Script, Server
from gateway.store.redis.wire import Reply

# Rounds after which a change is given up. Each lost one means that somebody else's was done.
ROUNDS: Final = 1000

_FIRST_PAUSE_SECONDS: Final = 0.001
_LONGEST_PAUSE_SECONDS: Final = 0.1

# How long what stands there is kept is not changed: no clock but Redis's has a say in it.
AS_BEFORE: Final = "KEEPTTL"

# ARGV: version read ('' for none), new value ('' to delete), milliseconds to keep it ('' for ever) or AS_BEFORE.
# Answers 1, or the value that stands there instead, which spares reading it.
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
    """What stands under *name* after letting the others go first, longer after each of the *lost* rounds."""
    longest = min(_FIRST_PAUSE_SECONDS * 2.0**lost, _LONGEST_PAUSE_SECONDS)
    # At random, or all would come back at once.
    await asyncio.sleep(random.uniform(0, longest))  # noqa: S311  # spreads load, hides nothing
    return await server.ask("GET", name)
