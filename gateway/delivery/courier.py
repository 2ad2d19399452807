"""Carries what the outbox holds; every process of the gateway is a courier.

A message is claimed, tried until its deadline, and finished with one word. While it
is held the store hears of it; a courier that dies falls silent, and another takes its
messages up. Nothing that goes wrong with one message, or with the store, ends the loop.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Annotated, Literal, Protocol

import structlog
from pydantic import Field

from gateway.errors import Delayed, GatewayError, StoreUnavailable, TooLate, TransactionClosed, Undeliverable
from gateway.interfaces import Channel, Claimed, Message, Outbox, Text, Transactions
from gateway.options import Options
from gateway.texts.messages import MEDIA, Texts, Values
from gateway.transaction import Transaction

log = structlog.get_logger()

# Taken up so often, or raised unexpectedly so often, a message is itself what goes wrong (promise 8).
POISON = 5
# How long a claim waits for the first message. Only a stop is interested in the end, and cuts it.
WAIT_SECONDS = 5.0
# How long `/status` can still tell what became of a message.
REMEMBERED_SECONDS = 60.0


class CourierOptions(Options):
    """*busy* messages are on their way at once; *held* also counts those that rest before another try.

    Between tries they rest *retry_seconds*, doubling up to *retry_most_seconds*.
    """

    busy: Annotated[int, Field(ge=1, le=1000)] = 32
    held: Annotated[int, Field(ge=1, le=10_000)] = 512
    retry_seconds: Annotated[float, Field(gt=0, le=60)] = 0.5
    retry_most_seconds: Annotated[float, Field(gt=0, le=300)] = 5
    grace_seconds: Annotated[float, Field(ge=0, le=300)] = 5


class Counted(Protocol):
    """Flood control's word on a message of *at*: one that it refused may be in the outbox, and is not sent."""

    async def __call__(self, channel: str, to: str, *, known_network: bool, at: float) -> bool: ...


async def no_fallback(failed: Message) -> None:
    """For those who have none."""


class _GivenBack(Exception):
    pass


@dataclass(kw_only=True, slots=True, eq=False)
class _Held:
    """A message in hands: how often it was tried, how often that raised what no channel may raise, and why at last."""

    claimed: Claimed
    message: Message
    tries: int = 0
    raised: int = 0
    reason: str = ""
    is_counted: bool = False


class Courier:
    """Claims, delivers, finishes. *code_of* makes a transaction's code, *counted* asks flood control about a message.

    *name* tells this courier from all others.

    *claim_seconds* is the store's: who is silent for so long loses what he holds. *fall_back* is told of each message
    that has failed, and may be told twice. *remembered_seconds* after its deadline a message's last word is forgotten.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        transactions: Transactions,
        channels: Mapping[str, Channel],
        code_of: Callable[[bytes], str],
        counted: Counted,
        texts: Texts,
        clock: Callable[[], float],
        rng: Random,
        options: CourierOptions,
        claim_seconds: float,
        name: str | None = None,
        fall_back: Callable[[Message], Awaitable[None]] = no_fallback,
        remembered_seconds: float = REMEMBERED_SECONDS,
    ) -> None:
        self._outbox = outbox
        self._transactions = transactions
        self._channels = channels
        self._code_of = code_of
        self._counted = counted
        self._texts = texts
        self._clock = clock
        self._rng = rng
        self._options = options
        self._claim_seconds = claim_seconds
        self._fall_back = fall_back
        self._remembered_seconds = remembered_seconds
        # Not from *rng*: processes forked from one share its state, and of two couriers of one name neither is silent.
        self._name = name or secrets.token_hex(8)
        self._held: dict[str, asyncio.Task[None]] = {}
        self._resting = 0
        self._room = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Carry until stop() is called or the caller cancels."""
        async with asyncio.TaskGroup() as tasks:
            keeper = tasks.create_task(self._keep())
            taker = tasks.create_task(self._take(tasks))
            await self._stopping.wait()
            taker.cancel()
            if self._held:
                _, late = await asyncio.wait(self._held.values(), timeout=self._options.grace_seconds)
                for task in late:
                    task.cancel()
            keeper.cancel()

    def stop(self) -> None:
        """Take nothing new. run() returns when what is on its way has arrived, at the latest after the grace.

        What is left is not finished: the store gives it to another courier, as if this one had died.
        """
        self._stopping.set()

    async def _take(self, tasks: asyncio.TaskGroup) -> None:
        """Claim whenever there is room."""
        failures = 0
        while True:
            self._room.clear()
            busy = len(self._held) - self._resting
            most = min(self._options.busy - busy, self._options.held - len(self._held))
            if most <= 0:
                await self._room.wait()
                continue
            try:
                found = await self._outbox.claim(courier=self._name, most=most, wait_seconds=WAIT_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever the store raises, the next message must find a courier
                failures += 1
                _tell_outage("claim", error)
                await asyncio.sleep(self._pause(failures))
                continue
            failures = 0
            for claimed in found:
                # The store gives a message anew to a courier that it took for silent; this one is still at it.
                if claimed.receipt not in self._held:
                    self._held[claimed.receipt] = tasks.create_task(self._carry(claimed))

    async def _keep(self) -> None:
        """Let the store hear of what is held, three times in what counts as silence."""
        while True:
            await asyncio.sleep(self._claim_seconds / 3)
            try:
                if self._held:
                    await self._outbox.keep(list(self._held), courier=self._name)
            except Exception as error:  # noqa: BLE001 - as in _take
                _tell_outage("keep", error)

    async def _carry(self, claimed: Claimed) -> None:
        """Everything that is done with one message, up to the last word about it."""
        message = claimed.message
        try:
            if message is None:
                log.error("courier.unreadable", times=claimed.times)
                await self._finish(claimed, "failed", until=self._clock() + REMEMBERED_SECONDS)
                return
            word = await self._deliver(_Held(claimed=claimed, message=message))
            if word == "failed":
                # Before the last word: a frontend that hears it gives up.
                await self._fall_back(message)
            await self._finish(claimed, word, until=max(self._clock(), message.deadline) + self._remembered_seconds)
            if word == "failed":
                # Of two messages of one method that fail at once, each took the other for one that may still arrive.
                await self._fall_back(message)
        except _GivenBack:
            log.info("courier.given_back", times=claimed.times)
        except asyncio.CancelledError:
            # Cut in the middle of its exchange: unfinished it comes back, too.
            log.info("courier.given_back", times=claimed.times)
            raise
        except Exception as error:  # noqa: BLE001 - unfinished it comes back, five times at most; the others go on
            log.error("courier.error", times=claimed.times, reason=type(error).__name__)
        finally:
            del self._held[claimed.receipt]
            self._room.set()

    async def _deliver(self, held: _Held) -> Literal["sent", "failed"]:
        """Try until it is sent or never will be; the word to finish it with.

        A code that nobody may use any more is `failed` too: for its closed transaction nobody can ask.
        """
        message = held.message
        try:
            if held.claimed.times >= POISON:
                raise Undeliverable("poison")
            async with asyncio.timeout(message.deadline - self._clock()):
                while not await self._try(held):
                    await self._rest(held)
        except TooLate as error:
            self._tell("courier.too_late", held, reason=error.reason)
        except TimeoutError:
            self._tell("courier.too_late", held, reason="deadline")
        except Undeliverable as error:
            event = "courier.poison" if error.reason == "poison" else "courier.failed"
            self._tell(event, held, reason=error.reason)
        else:
            self._tell("courier.sent", held)
            return "sent"
        return "failed"

    async def _try(self, held: _Held) -> bool:
        """One try; whether it arrived. Raises Undeliverable and TooLate when there is no use in another."""
        message = held.message
        held.tries += 1
        try:
            channel = self._channels.get(message.channel)
            if channel is None:
                raise Undeliverable("no_channel")
            await self._demand_counted(held)
            await channel.deliver(message.to, lambda: self._text(message), id=message.id)
        except (Undeliverable, TooLate):
            raise
        except (Delayed, StoreUnavailable) as error:
            held.reason = error.reason or "store_unavailable"
            self._tell("courier.delayed", held, reason=held.reason)
            return False
        except Exception as error:
            held.raised += 1
            held.reason = "raised"
            self._tell("courier.error", held, reason=type(error).__name__)
            if held.raised >= POISON:
                raise Undeliverable("poison") from error
            return False
        return True

    async def _demand_counted(self, held: _Held) -> None:
        """Raise TooLate for a code that flood control refused, before it takes the time of a channel that is away."""
        message = held.message
        if message.subject == "code" and not held.is_counted:
            at = message.asked_at
            if not await self._counted(message.channel, message.to, known_network=message.known_network, at=at):
                raise TooLate("flood")
            # Once: the count's window may end before a peer that is away is back.
            held.is_counted = True

    async def _text(self, message: Message) -> Text:
        """What the message says, asked for at the last moment. Raises TooLate when it may no longer be said."""
        expires_at, code = message.deadline, ""
        if message.subject == "code":
            transaction = await self._open_transaction(message)
            expires_at, code = transaction.expires_at, self._code_of(transaction.secret)
        if self._clock() >= message.deadline:
            raise TooLate("deadline")
        written = self._texts.render(
            message.subject,
            message.language,
            Values(
                username=message.username,
                code=code,
                seconds=expires_at - self._clock() if code else 0,
                asked_at=message.asked_at,
                browser=message.browser,
            ),
            medium=MEDIA[message.channel],
        )
        return replace(written, channel=message.channel, code=code, language=message.language, expires_at=expires_at)

    async def _open_transaction(self, message: Message) -> Transaction:
        try:
            transaction = await self._transactions.find(message.transaction or "")
            transaction.demand_open(now=self._clock())
        except TransactionClosed as error:
            raise TooLate(error.reason or "closed") from error
        return transaction

    async def _rest(self, held: _Held) -> None:
        """Wait before another try. Raises Undeliverable when there is no time for one."""
        seconds = self._pause(held.tries)
        if self._clock() + seconds >= held.message.deadline:
            raise Undeliverable(held.reason)
        self._resting += 1
        self._room.set()
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        finally:
            self._resting -= 1
        raise _GivenBack

    async def _finish(self, claimed: Claimed, word: Literal["sent", "failed"], *, until: float) -> None:
        """Say the last word, however long the store is away: unsaid, the message would be sent again."""
        failures = 0
        while True:
            try:
                await self._outbox.finish(claimed, word=word, until=until)
            except Exception as error:  # noqa: BLE001 - as in _take
                failures += 1
                _tell_outage("finish", error)
            else:
                return
            if self._clock() >= until:
                return
            await asyncio.sleep(self._pause(failures))

    def _pause(self, failures: int) -> float:
        """Seconds before another try: doubling, and less some chance, so that couriers do not come in step."""
        seconds = self._options.retry_seconds * 2.0 ** min(failures - 1, 30)
        return min(seconds, self._options.retry_most_seconds) * self._rng.uniform(0.5, 1)

    def _tell(self, event: str, held: _Held, *, reason: str | None = None) -> None:
        """One event about one message: never to whom, never what."""
        message = held.message
        level = "info" if event in ("courier.sent", "courier.too_late") else "warning"
        fields: dict[str, object] = {} if reason is None else {"reason": reason}
        getattr(log, level)(
            event,
            message_id=message.id,
            transaction=message.transaction,
            subject=message.subject,
            channel=message.channel,
            tries=held.tries,
            times=held.claimed.times,
            waited=round(self._clock() - message.asked_at, 3),
            **fields,
        )


def _tell_outage(during: str, error: Exception) -> None:
    reason = error.reason if isinstance(error, GatewayError) else type(error).__name__
    log.warning("courier.store_unavailable", during=during, reason=reason or "store_unavailable")
