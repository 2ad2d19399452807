"""What the tests of the courier share."""

import asyncio
import time
from contextlib import asynccontextmanager
from random import Random

from gateway.delivery.courier import Courier, CourierOptions
from gateway.errors import Delayed, StoreUnavailable
from gateway.factors import Code, CodeOptions
from gateway.interfaces import Claimed, Message
from gateway.texts.messages import TextOptions, Texts
from gateway.transaction import Transaction

CODE = Code(CodeOptions())
SECRET = b"12345678901234567890"
TEXTS = Texts(TextOptions(site="Example"))
QUICK = CourierOptions(retry_seconds=0.02, retry_most_seconds=0.05, grace_seconds=1)
CLAIM_SECONDS = 0.3


def pending(**changes):
    now = time.time()
    return Transaction(
        **{
            "uid": "2",
            "client": "web",
            "username": "alice",
            "auth_type": "EMAIL",
            "methods": ("EMAIL",),
            "secret": SECRET,
            "opened_at": now,
            "expires_at": now + 30,
            "attempts_left": 5,
            "resends_left": 3,
            "resend_at": now,
            **changes,
        }
    )


def message(id="m1", *, seconds=30.0, **changes):
    now = time.time()
    fields = {
        "id": id,
        "uid": "17",
        "transaction": "t1",
        "channel": "email",
        "to": "alice@example.test",
        "username": "alice",
        "browser": "Firefox, Windows",
        "asked_at": now,
        "deadline": now + seconds,
    }
    return Message(**{**fields, **changes})


async def counted(message):
    """Flood control that lets everything be sent."""
    return True


def courier_of(backend, channel, **changes):
    return Courier(
        **{
            "outbox": backend.outbox,
            "transactions": backend.transactions,
            "channels": {"email": channel},
            "code_of": CODE.challenge,
            "counted": counted,
            "texts": TEXTS,
            "clock": time.time,
            "rng": Random(1),
            "options": QUICK,
            "claim_seconds": CLAIM_SECONDS,
            **changes,
        }
    )


@asynccontextmanager
async def running(courier):
    task = asyncio.create_task(courier.run())
    try:
        yield task
    finally:
        courier.stop()
        await asyncio.wait([task], timeout=5)
        task.cancel()


async def word_of(backend, id="m1", *, seconds=5.0):
    """Wait for the last word about the message, and return it."""
    deadline = time.monotonic() + seconds
    while (word := (await backend.outbox.words([id]))[0]) == "queued":
        assert time.monotonic() < deadline, "no last word"
        await asyncio.sleep(0.005)
    return word


def replace_options(**changes):
    return CourierOptions(**{**QUICK.model_dump(), **changes})


class Broken:
    """A channel that raises an error which no channel may raise."""

    def __init__(self) -> None:
        self.tries = 0

    async def deliver(self, to, text, *, id):
        self.tries += 1
        raise ZeroDivisionError(to)


class Outbox:
    """The memory outbox under a test's control: `away` makes it raise, `first` is claimed before everything else."""

    def __init__(self, inner) -> None:
        self.inner = inner
        self.away = False
        self.first: list[Claimed] = []
        self.claims = 0
        self.kept: list[tuple[str, ...]] = []
        self.finished: list[tuple[Claimed, str, float]] = []

    async def put(self, message):
        await self.inner.put(message)

    async def claim(self, *, courier, most, wait_seconds):
        self.claims += 1
        self._ask()
        if self.first:
            found, self.first = self.first, []
            return found
        return await self.inner.claim(courier=courier, most=most, wait_seconds=min(wait_seconds, 0.05))

    async def keep(self, receipts, *, courier):
        self._ask()
        self.kept.append(tuple(receipts))
        await self.inner.keep(receipts, courier=courier)

    async def finish(self, claimed, *, word, until):
        self._ask()
        self.finished.append((claimed, word, until))
        await self.inner.finish(claimed, word=word, until=until)

    async def words(self, ids):
        return await self.inner.words(ids)

    def _ask(self):
        if self.away:
            raise StoreUnavailable("gone")


class Away:
    """A channel whose peer is always away."""

    async def deliver(self, to, text, *, id):
        raise Delayed("connect")


class Slow:
    """A slow channel that counts how many messages it has at once."""

    now = most = 0

    async def deliver(self, to, text, *, id):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
