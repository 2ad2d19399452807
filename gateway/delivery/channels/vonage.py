"""Text messages by the SMS API of Vonage.

Vonage answers 200 even when it refuses a message. The body of the answer holds a status for each part of the message,
and this channel reads it. The library apprise does not, so Vonage is a channel of its own.
"""

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import urlencode

import aiohttp
from pydantic import AfterValidator, Field, SecretStr

from gateway.delivery.channels.http_post import delivery_error, open_session, posted
from gateway.delivery.channels.silences import Silences
from gateway.delivery.channels.slots import Slots
from gateway.delivery.numbers import is_e164
from gateway.errors import Delayed, DeliveryError, Undeliverable
from gateway.interfaces import Channel, Text
from gateway.options import Options
from gateway.texts.sms_length import is_gsm_7

URL = "https://rest.nexmo.com/sms/json"
HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}
# How long Vonage tries to reach the phone: a quarter of an hour.
TTL_MILLISECONDS = 900_000
TAKEN = "0"
# They mean: throttled, internal error, too many connections. With any other status, Vonage would refuse the message
# again.
NOT_NOW = frozenset({"1", "5", "10"})
IS_STATUS = re.compile(r"[0-9]{1,3}")


def _credential(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"\S+", secret.get_secret_value()):
        raise ValueError("must be one word")
    return secret


class VonageOptions(Options):
    """The account at Vonage, and the sender that a message shows: a number, or a name of up to 11 letters and digits.

    *timeout_seconds* is for the whole exchange; *connections* is how many messages are on their way at once.
    """

    kind: Literal["vonage"] = "vonage"
    api_key: Annotated[SecretStr, AfterValidator(_credential)]
    api_secret: Annotated[SecretStr, AfterValidator(_credential)]
    # YAML reads a number without quotes as an integer.
    sender: Annotated[str, Field(pattern=r"^(\+?[0-9]{4,15}|[A-Za-z0-9 ]{1,11})$", coerce_numbers_to_str=True)]
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10
    connections: Annotated[int, Field(ge=1, le=64)] = 8

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Channel]:
        """Yield the channel. It connects to Vonage at the first message."""
        async with open_session(
            connections=self.connections, timeout_seconds=self.timeout_seconds, use_proxy=True
        ) as http:
            yield VonageChannel(http, self)


class VonageChannel:
    """A Channel. Raises Undeliverable for a message that Vonage refuses, Delayed when another try may help."""

    def __init__(self, http: aiohttp.ClientSession, options: VonageOptions) -> None:
        self._http = http
        self._options = options
        self._slots = Slots(options.connections)
        self._silences = Silences()

    async def deliver(self, to: str, text: Callable[[], Awaitable[Text]], *, id: str) -> None:
        """Deliver to the number *to*, in E.164. Vonage has no field for *id*."""
        if not is_e164(to):
            raise Undeliverable("number")
        async with self._slots:
            form = self._form(to, (await text()).plain)
            try:
                status, answer = await self._post(form)
            except Delayed as error:
                raise self._silences.error(id) if error.reason == "timeout" else error from None
        if status != HTTPStatus.OK:
            raise delivery_error(status)
        refusal = _refusal(_statuses(answer))
        if refusal is not None:
            raise refusal

    def _form(self, to: str, plain: str) -> bytes:
        fields = {
            "api_key": self._options.api_key.get_secret_value(),
            "api_secret": self._options.api_secret.get_secret_value(),
            # Vonage writes E.164 without the plus.
            "from": self._options.sender.removeprefix("+"),
            "to": to.removeprefix("+"),
            "text": plain,
            "ttl": TTL_MILLISECONDS,
            # The default is GSM-7, which loses every letter that it does not have.
            "type": "text" if is_gsm_7(plain) else "unicode",
        }
        return urlencode(fields).encode()

    async def _post(self, form: bytes) -> tuple[int, bytes]:
        async with posted(self._http, URL, body=form, headers=HEADERS) as response:
            return response.status, await response.read()


def _statuses(answer: bytes) -> list[str]:
    """The status of each part of the message; empty when the body is not what Vonage documents."""
    try:
        return [str(part["status"]) for part in json.loads(answer)["messages"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return []


def _refusal(statuses: list[str]) -> DeliveryError | None:
    """Why some part was not taken, or None. A permanent refusal counts more than a temporary one."""
    refused = [status for status in statuses if status != TAKEN]
    if statuses and not refused:
        return None
    final = next((status for status in refused if status not in NOT_NOW), None)
    if refused and final is None:
        return Delayed(f"vonage_{refused[0]}")
    return Undeliverable(f"vonage_{final}" if final and IS_STATUS.fullmatch(final) else "refused")
