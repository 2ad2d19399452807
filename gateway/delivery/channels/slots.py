"""How many messages of one channel are on their way at once.

Whoever waits for his turn holds one of the courier's places, so nobody does for long: a provider that is silent must
not hold up the mails.
"""

import asyncio

from gateway.errors import Delayed

WAIT_SECONDS = 1.0


class Slots:
    """At most *most* at once."""

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    async def take(self) -> None:
        """Raises Delayed when none is free in time. Who has one gives it back."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            raise Delayed("busy") from error

    def give_back(self) -> None:
        self._free.release()
