"""Text messages, calls and WhatsApp by the many providers that the library apprise knows, named by a URL.

The library blocks, so each message has a thread of its own, and few have one at once. It logs numbers and texts, so
its loggers are silent. And it tells no more than whether a message was taken: the provider's status is heard from the
HTTP library below it.
"""

import asyncio
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote, unquote

from pydantic import AfterValidator, Field, SecretStr

from gateway.delivery.channels.http_status import delivery_error
from gateway.delivery.channels.slots import Slots
from gateway.errors import Delayed, DeliveryError, Undeliverable
from gateway.interfaces import Channel, Text
from gateway.options import Options

if TYPE_CHECKING:
    from apprise import NotifyBase

PLACE = "{to}"
IS_NUMBER = re.compile(r"\+[0-9]{4,15}")
# A number of nobody (NANP keeps 555-01XX free), to see where a URL takes it.
SAMPLE = "+12025550123"
SUCCESS = range(200, 300)
# How often one message is given to a provider that does not answer; and of how many messages that is known.
MOST_SILENCES = 3
REMEMBERED = 1000


def _known(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if PLACE not in text:
        raise ValueError("must hold {to}, where the number belongs")
    if _service(text, SAMPLE) is None:
        raise ValueError("is no address of a service that apprise knows, or {to} is not where it takes the one number")
    return url


class AppriseOptions(Options):
    """The provider's URL as apprise writes it, with `{to}` for the number.

    *timeout_seconds* is for connecting, and for each answer of the provider; *threads* is how many messages are on
    their way at once.
    """

    kind: Literal["apprise"] = "apprise"
    url: Annotated[SecretStr, AfterValidator(_known)]
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10
    threads: Annotated[int, Field(ge=1, le=32)] = 8

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Channel]:
        """Yield the channel; the provider is met at the first message."""
        yield AppriseChannel(self)


class AppriseChannel:
    """A Channel. Raises Undeliverable for what the provider refuses, Delayed for everything that may pass."""

    def __init__(self, options: AppriseOptions) -> None:
        self._url = options.url.get_secret_value()
        self._timeout_seconds = options.timeout_seconds
        self._slots = Slots(options.threads)
        self._silences: OrderedDict[str, int] = OrderedDict()

    async def deliver(self, to: str, text: Callable[[], Awaitable[Text]], *, id: str) -> None:
        """Deliver to the one number that *to* is, in E.164. No provider can be told *id*."""
        if not IS_NUMBER.fullmatch(to):
            raise Undeliverable("number")
        await self._slots.take()
        try:
            written = await text()
            outcome = self._in_a_thread(to, written.plain)
        except BaseException:
            self._slots.give_back()
            raise
        try:
            # More than its own time-outs: a peer that sends an answer byte by byte never meets those.
            async with asyncio.timeout(2 * self._timeout_seconds):
                problem = await outcome
        except TimeoutError:
            problem = Delayed("timeout")
        if problem is not None:
            raise self._unheard(id) if problem.reason == "timeout" else problem

    def _unheard(self, id: str) -> DeliveryError:
        """A provider that does not answer may have sent the message each time, and each costs: a few are enough."""
        silences = self._silences.pop(id, 0) + 1
        if silences >= MOST_SILENCES:
            return Undeliverable("timeout")
        self._silences[id] = silences
        if len(self._silences) > REMEMBERED:
            self._silences.popitem(last=False)
        return Delayed("timeout")

    def _in_a_thread(self, to: str, plain: str) -> asyncio.Future[DeliveryError | None]:
        """Send in a thread; it gives the slot back when it ends, which may be after everybody has given it up."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[DeliveryError | None] = loop.create_future()

        def settle(problem: DeliveryError | None) -> None:
            self._slots.give_back()
            if not outcome.done():
                outcome.set_result(problem)

        def work() -> None:
            problem = self._send(to, plain)
            # RuntimeError: the loop has ended, and nobody waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, problem)

        # Not an executor's: those are waited for at the process's end, and one silent provider would delay it.
        threading.Thread(target=work, name="apprise", daemon=True).start()
        return outcome

    def _send(self, to: str, plain: str) -> DeliveryError | None:
        """Blocks. Why *plain* was not taken, or None."""
        heard.status = None
        began = time.monotonic()
        try:
            service = _service(self._url, to)
            if service is None:
                return Undeliverable("number")
            service.socket_connect_timeout = service.socket_read_timeout = self._timeout_seconds
            sent = _sent(service, plain)
        except DeliveryError as problem:
            return problem
        except Exception:  # noqa: BLE001 - a provider's plugin; its words may hold the number
            return Delayed("raised")
        return None if sent else _why(silent=time.monotonic() - began >= self._timeout_seconds)


def _sent(service: "NotifyBase", plain: str) -> bool:
    """Blocks. Whether *plain* was taken; raises the DeliveryError for a refusal that is in the answer's body alone."""
    from apprise.plugins.vonage import NotifyVonage

    from gateway.delivery.channels import vonage

    if isinstance(service, NotifyVonage):
        return vonage.send(service, plain)
    # Not Apprise.notify(): it converts, splits, retries and logs; the text is to arrive as it is, once.
    return service.send(body=plain, title="")


class _Heard(threading.local):
    """The last status that this thread was answered with."""

    status: int | None = None


heard = _Heard()


def _why(*, silent: bool) -> DeliveryError:
    if heard.status is None:
        return Delayed("timeout" if silent else "lost")
    # Taken by HTTP, and refused in the body.
    return Undeliverable("refused") if heard.status in SUCCESS else delivery_error(heard.status)


class _Listener(logging.Handler):
    """Hears the status of each answer: urllib3 logs it as an argument of its own, `"POST /path HTTP/1.1" 201 12`."""

    def emit(self, record: logging.LogRecord) -> None:
        args = record.args
        if isinstance(args, tuple) and len(args) > 1 and isinstance(args[-2], int):
            heard.status = args[-2]


@lru_cache(1)
def _silenced() -> None:
    """Let nothing of the library and of those below it reach a log: its lines hold numbers, texts and keys."""
    logging.getLogger("apprise").disabled = True
    for name in ("apprise", "urllib3", "requests"):
        logging.getLogger(name).propagate = False
        logging.getLogger(name).addHandler(logging.NullHandler())
    answers = logging.getLogger("urllib3.connectionpool")
    answers.setLevel(logging.DEBUG)
    answers.addHandler(_Listener())


def _service(url: str, to: str) -> "NotifyBase | None":
    """The service that *url* names, for the one number *to*; None where it would send to another, or to several."""
    # Half a second, for those only who have such a channel.
    import apprise

    _silenced()
    asset = apprise.AppriseAsset(storage_mode="memory", http_redirects=False, app_id="Headgate")
    try:
        service = apprise.Apprise.instantiate(url.replace(PLACE, quote(to, safe="")), asset=asset)
        # A number that it drops is replaced by the sender's own in some of its services.
        if service is None or len(service) != 1 or not _leads_to(service, to):
            return None
    except Exception:  # noqa: BLE001 - whatever a plugin makes of a URL, it is not shown
        return None
    return service


def _leads_to(service: "NotifyBase", to: str) -> bool:
    leads_to: str = unquote(service.url())  # type: ignore[no-untyped-call]
    return to.removeprefix("+") in leads_to
