"""Claims messages from the outbox, holds them while they are tried, and finishes each with its outcome.

Every process of the gateway is a courier. While it holds a message, it reports so to the store. When it dies, the
reports stop, and another courier gets the message. No error of one message, and none of the store, ends the courier.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from typing import Annotated, Literal

import structlog
from pydantic import Field

from gateway.delivery.attempts import Attempts, Counted
from gateway.delivery.backoff import Backoff
from gateway.delivery.writer import Writer
from gateway.errors import GatewayError
from gateway.interfaces import Channel, Claimed, Message, Outbox, Transactions
from gateway.options import Options
from gateway.texts.messages import Texts

log = structlog.get_logger()

# How long a claim waits for the first message. It may be long: only a stop has to end a claim early, and a stop cancels
# the claim.
WAIT_SECONDS = 5.0
# How long after its deadline `/status` can still read the outcome of a message.
REMEMBERED_SECONDS = 60.0


class CourierOptions(Options):
    """At most *busy* messages are tried at once. At most *held* are tried or wait for another try.

    The first pause lasts *retry_seconds*. Each further pause is twice as long, up to *retry_most_seconds*.
    """

    busy: Annotated[int, Field(ge=1, le=1000)] = 32
    held: Annotated[int, Field(ge=1, le=10_000)] = 512
    retry_seconds: Annotated[float, Field(gt=0, le=60)] = 0.5
    retry_most_seconds: Annotated[float, Field(gt=0, le=300)] = 5
    grace_seconds: Annotated[float, Field(ge=0, le=300)] = 5


async def no_fallback(failed: Message) -> None:
    """Do nothing: used where no fallback is configured."""


class _GivenBack(Exception):
    """The courier stops, and the message stays unfinished, so that another courier gets it."""


class Courier:
    """Claims, tries and finishes messages. *name* tells this courier from all others.

    *claim_seconds* is the store's: a courier that is silent for this long loses its messages. *fall_back* is called for
    each message that has failed, and may be called twice. The outcome of a message is forgotten *remembered_seconds*
    after its deadline. *code_of* makes a transaction's code; *counted* asks flood control about a message.
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
        self._clock = clock
        self._options = options
        self._claim_seconds = claim_seconds
        self._fall_back = fall_back
        self._remembered_seconds = remembered_seconds
        # The name does not come from *rng*, because forked processes share its state. If two couriers had one name, the
        # death of either would go unnoticed.
        self._name = name or secrets.token_hex(8)
        self._backoff = Backoff(first_seconds=options.retry_seconds, most_seconds=options.retry_most_seconds, rng=rng)
        self._attempts = Attempts(
            channels=channels,
            counted=counted,
            writer=Writer(transactions=transactions, code_of=code_of, texts=texts, clock=clock),
            backoff=self._backoff,
            clock=clock,
            rest=self._rest,
        )
        self._held: dict[str, asyncio.Task[None]] = {}
        self._resting = 0
        self._has_capacity = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Deliver messages until stop() is called, or until the caller cancels."""
        async with asyncio.TaskGroup() as tasks:
            reporter = tasks.create_task(self._report())
            claimer = tasks.create_task(self._claim(tasks))
            await self._stopping.wait()
            claimer.cancel()
            if self._held:
                _, late = await asyncio.wait(self._held.values(), timeout=self._options.grace_seconds)
                for task in late:
                    task.cancel()
            reporter.cancel()

    def stop(self) -> None:
        """Claim nothing more. run() returns when the messages on their way are sent, or after `grace_seconds`.

        A message that is left is not finished: the store gives it to another courier, as if this one had died.
        """
        self._stopping.set()

    async def _claim(self, tasks: asyncio.TaskGroup) -> None:
        """Claim messages whenever there is capacity."""
        failures = 0
        while True:
            self._has_capacity.clear()
            most = self._capacity()
            if most <= 0:
                await self._has_capacity.wait()
                continue
            try:
                found = await self._outbox.claim(courier=self._name, most=most, wait_seconds=WAIT_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever the store raises, the next message needs a courier
                failures += 1
                _log_outage("claim", error)
                await asyncio.sleep(self._backoff.seconds(failures))
                continue
            failures = 0
            for claimed in found:
                # After missed reports, the store may hand out a message that this courier is still trying.
                if claimed.receipt not in self._held:
                    self._held[claimed.receipt] = tasks.create_task(self._carry(claimed))

    def _capacity(self) -> int:
        """How many more messages may be claimed."""
        busy = len(self._held) - self._resting
        return min(self._options.busy - busy, self._options.held - len(self._held))

    async def _report(self) -> None:
        """Report to the store what is held, three times within *claim_seconds*."""
        while True:
            await asyncio.sleep(self._claim_seconds / 3)
            try:
                if self._held:
                    await self._outbox.keep(list(self._held), courier=self._name)
            except Exception as error:  # noqa: BLE001 - as in _claim
                _log_outage("keep", error)

    async def _carry(self, claimed: Claimed) -> None:
        """Deliver and finish one message."""
        try:
            await self._deliver_and_finish(claimed)
        except _GivenBack:
            log.info("courier.given_back", times=claimed.times)
        except asyncio.CancelledError:
            # Cancelled in the middle of a try. The message is unfinished, so another courier gets it.
            log.info("courier.given_back", times=claimed.times)
            raise
        except Exception as error:  # noqa: BLE001 - the message is claimed again, five times at most; the others go on
            log.error("courier.error", times=claimed.times, reason=type(error).__name__)
        finally:
            del self._held[claimed.receipt]
            self._has_capacity.set()

    async def _deliver_and_finish(self, claimed: Claimed) -> None:
        message = claimed.message
        if message is None:
            log.error("courier.unreadable", times=claimed.times)
            await self._finish(claimed, "failed", until=self._clock() + REMEMBERED_SECONDS)
            return
        word = await self._attempts.deliver(claimed, message)
        if word == "failed":
            # The fallback comes before the outcome is stored, because a frontend that reads `failed` gives up.
            await self._fall_back(message)
        await self._finish(claimed, word, until=max(self._clock(), message.deadline) + self._remembered_seconds)
        if word == "failed":
            # Called again. If both messages of one method fail at once, each first call still finds the other message
            # on its way, and neither falls back.
            await self._fall_back(message)

    async def _rest(self, seconds: float) -> None:
        """Wait before another try, without counting as busy. Raises _GivenBack when the courier stops."""
        self._resting += 1
        self._has_capacity.set()
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        finally:
            self._resting -= 1
        raise _GivenBack

    async def _finish(self, claimed: Claimed, word: Literal["sent", "failed"], *, until: float) -> None:
        """Store the outcome, however long the store is down: without it, the message would be sent again."""
        failures = 0
        while True:
            try:
                await self._outbox.finish(claimed, word=word, until=until)
            except Exception as error:  # noqa: BLE001 - as in _claim
                failures += 1
                _log_outage("finish", error)
            else:
                return
            if self._clock() >= until:
                return
            await asyncio.sleep(self._backoff.seconds(failures))


def _log_outage(during: str, error: Exception) -> None:
    reason = error.reason if isinstance(error, GatewayError) else type(error).__name__
    log.warning("courier.store_unavailable", during=during, reason=reason or "store_unavailable")
