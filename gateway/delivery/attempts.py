"""One message: it is tried until it is sent, or until it is certain that it can't be sent."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from gateway.delivery.backoff import Backoff
from gateway.delivery.writer import Writer
from gateway.errors import Delayed, StoreUnavailable, TooLate, Undeliverable
from gateway.interfaces import Channel, Claimed, Message

log = structlog.get_logger()

# After this many claims, or this many unexpected errors, the message itself is at fault (promise 8).
POISON = 5


class Counted(Protocol):
    """Flood control's answer about a message: false if refused. A refused message may still be in the outbox."""

    async def __call__(self, message: Message) -> bool: ...


@dataclass(kw_only=True, slots=True, eq=False)
class _Progress:
    """The tries of one message. *raised* counts unexpected errors; *reason* is why the last try failed."""

    claimed: Claimed
    message: Message
    tries: int = 0
    raised: int = 0
    reason: str = ""
    is_counted: bool = False


class Attempts:
    """Tries messages.

    *rest* waits the given seconds before another try. It raises an exception when another courier has to take over.
    """

    def __init__(
        self,
        *,
        channels: Mapping[str, Channel],
        counted: Counted,
        writer: Writer,
        backoff: Backoff,
        clock: Callable[[], float],
        rest: Callable[[float], Awaitable[None]],
    ) -> None:
        self._channels = channels
        self._counted = counted
        self._writer = writer
        self._backoff = backoff
        self._clock = clock
        self._rest = rest

    async def deliver(self, claimed: Claimed, message: Message) -> Literal["sent", "failed"]:
        """Try *message* until its deadline, and return its outcome.

        A code that is too late counts as `failed`, too. If it is too late because its login is over, nobody can ask for
        the status any more. Where there is a fallback, the deadline comes before the end of the login, so that the
        fallback can still send the code.
        """
        progress = _Progress(claimed=claimed, message=message)
        try:
            if claimed.times >= POISON:
                raise Undeliverable("poison")
            async with asyncio.timeout(message.deadline - self._clock()):
                while not await self._try(progress):
                    await self._pause(progress)
        except TooLate as error:
            log.info("courier.too_late", reason=error.reason, **self._fields(progress))
        except TimeoutError:
            log.info("courier.too_late", reason="deadline", **self._fields(progress))
        except Undeliverable as error:
            if error.reason == "poison":
                log.warning("courier.poison", reason=error.reason, **self._fields(progress))
            else:
                log.warning("courier.failed", reason=error.reason, **self._fields(progress))
        else:
            log.info("courier.sent", **self._fields(progress))
            return "sent"
        return "failed"

    async def _try(self, progress: _Progress) -> bool:
        """Try once; return whether the message was taken. Raises Undeliverable and TooLate when no try can help."""
        message = progress.message
        progress.tries += 1
        try:
            channel = self._channels.get(message.channel)
            if channel is None:
                raise Undeliverable("no_channel")
            await self._demand_counted(progress)
            await channel.deliver(message.to, lambda: self._writer.write(message), id=message.id)
        except (Undeliverable, TooLate):
            raise
        except (Delayed, StoreUnavailable) as error:
            progress.reason = error.reason or "store_unavailable"
            log.warning("courier.delayed", reason=progress.reason, **self._fields(progress))
            return False
        except Exception as error:
            progress.raised += 1
            progress.reason = "raised"
            log.warning("courier.error", reason=type(error).__name__, **self._fields(progress))
            if progress.raised >= POISON:
                raise Undeliverable("poison") from error
            return False
        return True

    async def _demand_counted(self, progress: _Progress) -> None:
        """Raise TooLate for a code that flood control refused. Such a code must not wait for a channel that is down."""
        message = progress.message
        if message.subject == "code" and not progress.is_counted:
            if not await self._counted(message):
                raise TooLate("flood")
            # Flood control is asked only once for each message: a peer may be down for so long that the count expires.
            progress.is_counted = True

    async def _pause(self, progress: _Progress) -> None:
        """Rest before another try. Raises Undeliverable when the deadline leaves no time for one."""
        seconds = self._backoff.seconds(progress.tries)
        if self._clock() + seconds >= progress.message.deadline:
            raise Undeliverable(progress.reason)
        await self._rest(seconds)

    def _fields(self, progress: _Progress) -> dict[str, object]:
        """What an event says about a message: neither the recipient nor the text."""
        message = progress.message
        return {
            "message_id": message.id,
            "transaction": message.transaction,
            "subject": message.subject,
            "channel": message.channel,
            "tries": progress.tries,
            "times": progress.claimed.times,
            "waited": round(self._clock() - message.asked_at, 3),
        }
