"""Text messages, calls and WhatsApp by any provider that the library apprise knows. A URL names the provider.

The library blocks, so each message has a thread of its own, and the number of threads is limited. The library logs
numbers and texts, so its loggers are silenced. And it returns only whether the provider took a message: this channel
learns the provider's HTTP status from the log of the HTTP library below it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote, unquote

from pydantic import AfterValidator, Field, SecretStr

from gateway.delivery.channels.http_post import SUCCESS, delivery_error
from gateway.delivery.channels.silences import Silences
from gateway.delivery.channels.slots import Slots
from gateway.delivery.numbers import is_e164
from gateway.errors import Delayed, DeliveryError, Undeliverable
from gateway.interfaces import Channel, Text
from gateway.options import Options

if TYPE_CHECKING:
    from apprise import NotifyBase

NUMBER_GOES_HERE = "{to}"
# Nobody has this number (the North American plan keeps 555-01XX free). It shows where a URL sends a message.
SAMPLE = "+12025550123"
VONAGE_SCHEMES = frozenset({"vonage", "nexmo"})


def _usable(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    # Vonage refuses messages in the body of a 200, which the library does not read.
    if text.partition("://")[0].strip().lower() in VONAGE_SCHEMES:
        raise ValueError("apprise does not notice when Vonage refuses a message: use `kind: vonage` instead")
    if NUMBER_GOES_HERE not in text:
        raise ValueError("must hold {to}, where the number belongs")
    if _service(text, SAMPLE) is None:
        raise ValueError("is no address of a service that apprise knows, or {to} is not where it takes the one number")
    return url


class AppriseOptions(Options):
    """The provider's URL as apprise writes it, with `{to}` in the place of the number.

    *timeout_seconds* is for connecting, and for each answer of the provider; *threads* is how many messages are on
    their way at once.
    """

    kind: Literal["apprise"] = "apprise"
    url: Annotated[SecretStr, AfterValidator(_usable)]
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10
    threads: Annotated[int, Field(ge=1, le=32)] = 8

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Channel]:
        """Yield the channel. It connects to the provider at the first message."""
        yield AppriseChannel(self)


class AppriseChannel:
    """A Channel. Raises Undeliverable for a message that the provider refuses, Delayed when another try may help."""

    def __init__(self, options: AppriseOptions) -> None:
        self._url = options.url.get_secret_value()
        self._timeout_seconds = options.timeout_seconds
        self._slots = Slots(options.threads)
        self._silences = Silences()

    async def deliver(self, to: str, text: Callable[[], Awaitable[Text]], *, id: str) -> None:
        """Deliver to the number *to*, in E.164. No provider has a field for *id*."""
        if not is_e164(to):
            raise Undeliverable("number")
        await self._slots.take()
        try:
            written = await text()
            outcome = self._start_thread(to, written.plain)
        except BaseException:
            self._slots.give_back()
            raise
        try:
            # The library's own time-outs are for each read. A peer that sends byte by byte never exceeds them.
            async with asyncio.timeout(2 * self._timeout_seconds):
                error = await outcome
        except TimeoutError:
            error = Delayed("timeout")
        if error is not None:
            raise self._silences.error(id) if error.reason == "timeout" else error

    def _start_thread(self, to: str, plain: str) -> asyncio.Future[DeliveryError | None]:
        """Send in a thread. The thread gives the slot back when it ends, even if nobody waits for it any more."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[DeliveryError | None] = loop.create_future()

        def settle(error: DeliveryError | None) -> None:
            self._slots.give_back()
            if not outcome.done():
                outcome.set_result(error)

        def work() -> None:
            error = self._send(to, plain)
            # RuntimeError: the loop has ended, and nobody waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, error)

        # Not in an executor: Python waits for its threads at exit, so one silent provider would delay the exit.
        threading.Thread(target=work, name="apprise", daemon=True).start()
        return outcome

    def _send(self, to: str, plain: str) -> DeliveryError | None:
        """Send, and return why the message was not taken, or None. Blocks."""
        last_answer.status = None
        began = time.monotonic()
        try:
            service = _service(self._url, to)
            if service is None:
                return Undeliverable("number")
            service.socket_connect_timeout = service.socket_read_timeout = self._timeout_seconds
            # Not Apprise.notify(): it converts, splits, retries and logs. The text must arrive once and unchanged.
            sent = service.send(body=plain, title="")
        except Exception:  # noqa: BLE001 - a plugin may raise anything, and the text of its error may hold the number
            return Delayed("raised")
        return None if sent else _reason(timed_out=time.monotonic() - began >= self._timeout_seconds)


class _LastAnswer(threading.local):
    """The HTTP status of the last answer to this thread."""

    status: int | None = None


last_answer = _LastAnswer()


def _reason(*, timed_out: bool) -> DeliveryError:
    """Why the library says that a message was not sent."""
    if last_answer.status is None:
        return Delayed("timeout" if timed_out else "lost")
    # The status is a success, but the plugin took the body for a refusal.
    return Undeliverable("refused") if last_answer.status in SUCCESS else delivery_error(last_answer.status)


class _StatusListener(logging.Handler):
    """Keeps the status of each answer. urllib3 logs `"POST /path HTTP/1.1" 201 12`, with the status as an argument."""

    def emit(self, record: logging.LogRecord) -> None:
        args = record.args
        if isinstance(args, tuple) and len(args) > 1 and isinstance(args[-2], int):
            last_answer.status = args[-2]


@lru_cache(1)
def _silence_libraries() -> None:
    """Keep the lines of apprise and of the libraries below it out of every log: they hold numbers, texts and keys."""
    logging.getLogger("apprise").disabled = True
    for name in ("apprise", "urllib3", "requests"):
        logging.getLogger(name).propagate = False
        logging.getLogger(name).addHandler(logging.NullHandler())
    answers = logging.getLogger("urllib3.connectionpool")
    answers.setLevel(logging.DEBUG)
    answers.addHandler(_StatusListener())


def _service(url: str, to: str) -> "NotifyBase | None":
    """The service at *url* for the one number *to*. None when it would send to another number, or to several."""
    # The import takes half a second, so only a gateway with such a channel pays for it.
    import apprise

    _silence_libraries()
    asset = apprise.AppriseAsset(storage_mode="memory", http_redirects=False, app_id="Headgate")
    try:
        service = apprise.Apprise.instantiate(url.replace(NUMBER_GOES_HERE, quote(to, safe="")), asset=asset)
        # Some services send to the sender's own number when they can't use the given one.
        if service is None or len(service) != 1 or not _sends_to(service, to):
            return None
    except Exception:  # noqa: BLE001 - a plugin may raise anything, and the text of its error may hold the URL
        return None
    return service


def _sends_to(service: "NotifyBase", to: str) -> bool:
    shown: str = unquote(service.url())  # type: ignore[no-untyped-call]
    return to.removeprefix("+") in shown
