"""How many messages of one channel are on their way at once.

A message that waits for a slot takes up one of the courier's places. So it waits for a second at most: a provider that
does not answer must not hold up the mails.
"""

import asyncio

from gateway.errors import Delayed

WAIT_SECONDS = 1.0


class Slots:
    """Lets at most *most* messages be on their way. `async with` holds a slot for the time of its block."""

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    async def take(self) -> None:
        """Take a slot, to be given back by the caller. Raises Delayed when none becomes free in time."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            raise Delayed("busy") from error

    def give_back(self) -> None:
        self._free.release()

    async def __aenter__(self) -> None:
        await self.take()

    async def __aexit__(self, *_: object) -> None:
        self.give_back()
