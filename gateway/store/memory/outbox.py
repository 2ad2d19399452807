"""Messages to be sent, in this process."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.errors import DeliveryUnavailable
from gateway.interfaces import Claimed, Message, Word
from gateway.store.memory.shelf import Shelf


@dataclass(kw_only=True, slots=True)
class _Hold:
    """A message that a courier has claimed, and when that courier last said that it is alive."""

    message: Message
    courier: str
    times: int
    heard_at: float


class MemoryOutbox:
    """Messages in a queue, and those that couriers have claimed. A claim ends *claim_seconds* after it was extended."""

    def __init__(self, *, most: int, claim_seconds: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._claim_seconds = claim_seconds
        self._clock = clock
        self._fresh: deque[Message] = deque()
        self._holds: dict[str, _Hold] = {}
        self._words: Shelf[Literal["sent", "failed"]] = Shelf(most=100 * most)
        self._arrived = asyncio.Event()

    async def put(self, message: Message) -> None:
        if len(self._fresh) + len(self._holds) >= self._most:
            raise DeliveryUnavailable("full")
        self._fresh.append(message)
        self._arrived.set()

    async def claim(self, *, courier: str, most: int, wait_seconds: float) -> list[Claimed]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        while True:
            claimed = self._silent(courier, most=most, now=loop.time())
            while self._fresh and len(claimed) < most:
                claimed.append(self._hold(self._fresh.popleft(), courier, times=1, now=loop.time()))
            if claimed or loop.time() >= deadline:
                return claimed
            await self._wait(deadline)

    async def keep(self, receipts: Sequence[str], *, courier: str) -> None:
        now = asyncio.get_running_loop().time()
        for receipt in receipts:
            hold = self._holds.get(receipt)
            if hold and hold.courier == courier:
                hold.heard_at = now

    async def finish(self, claimed: Claimed, *, word: Literal["sent", "failed"], until: float) -> None:
        self._holds.pop(claimed.receipt, None)
        now = self._clock()
        # If two couriers tried the same message, the one that sent it is right.
        if word == "sent" or not self._words.get(claimed.receipt, now=now):
            self._words.put(claimed.receipt, word, until=until, now=now)

    async def words(self, ids: Sequence[str]) -> list[Word]:
        now = self._clock()
        return [self._words.get(each, now=now) or "queued" for each in ids]

    def _silent(self, courier: str, *, most: int, now: float) -> list[Claimed]:
        silent = [hold for hold in self._holds.values() if hold.heard_at <= now - self._claim_seconds]
        return [self._hold(hold.message, courier, times=hold.times + 1, now=now) for hold in silent[:most]]

    def _hold(self, message: Message, courier: str, *, times: int, now: float) -> Claimed:
        self._holds[message.id] = _Hold(message=message, courier=courier, times=times, heard_at=now)
        return Claimed(receipt=message.id, message=message, times=times)

    async def _wait(self, deadline: float) -> None:
        """Wait until a message arrives, a claim may have ended, or the deadline has come."""
        self._arrived.clear()
        loop = asyncio.get_running_loop()
        heard = min((hold.heard_at for hold in self._holds.values()), default=loop.time())
        try:
            async with asyncio.timeout_at(min(deadline, heard + self._claim_seconds)):
                await self._arrived.wait()
        except TimeoutError:
            return
