"""The store of a single process. There is nothing to install, and everything in it ends with the process."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar, Literal

from pydantic import PositiveFloat, PositiveInt

from gateway.interfaces import Backend
from gateway.options import Options
from gateway.sealing import Sealer
from gateway.store.memory.counters import MemoryCounters
from gateway.store.memory.enrolments import MemoryEnrolments
from gateway.store.memory.outbox import MemoryOutbox
from gateway.store.memory.parked import MemoryParked
from gateway.store.memory.transactions import MemoryTransactions


class MemoryOptions(Options):
    """Keeps everything in this process, up to a bound. A full store raises StoreUnavailable."""

    durable: ClassVar[bool] = False
    kind: Literal["memory"] = "memory"
    most_entries: PositiveInt = 100_000
    outbox_most: PositiveInt = 10_000
    claim_seconds: PositiveFloat = 15

    @asynccontextmanager
    async def open(self, sealer: Sealer, *, clock: Callable[[], float] = time.time) -> AsyncGenerator[Backend]:
        """Yield an empty store. Nothing leaves the process, so nothing is sealed."""
        del sealer
        yield Backend(
            transactions=MemoryTransactions(most_entries=self.most_entries, clock=clock),
            parked=MemoryParked(most_entries=self.most_entries),
            outbox=MemoryOutbox(most=self.outbox_most, claim_seconds=self.claim_seconds, clock=clock),
            counters=MemoryCounters(most_entries=self.most_entries),
            enrolments=MemoryEnrolments(most_entries=self.most_entries),
            names=None,
            ping=_ping,
            durable=self.durable,
        )


async def _ping() -> None:
    """Return at once: a process always reaches itself."""
