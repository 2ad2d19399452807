"""Messages by the operator's own sender: one signed POST for each (Standard Webhooks 1.0).

What is posted holds the code and the number, so it goes to the configured address and nowhere else: no redirect is
followed and no proxy of the environment asked.
"""

import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal

import aiohttp
from pydantic import AfterValidator, Field, SecretStr

from gateway.delivery.channels.http_status import delivery_error
from gateway.delivery.channels.slots import Slots
from gateway.errors import Delayed
from gateway.interfaces import Channel, Text
from gateway.options import Options, SigningSecret, split_url
from gateway.signing import signed, signing_key

IS_URL = re.compile(r"https?://[^\s/@]+(/\S*)?")


def _address(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    # The port is looked at, too: what can't be posted to would only be noticed at the first message.
    if not IS_URL.fullmatch(text) or not split_url(text).hostname:
        raise ValueError("must be http://… or https://…, without a user name or password")
    return url


class WebhookOptions(Options):
    """Where to post to. *connections* is how many messages are on their way at once."""

    kind: Literal["webhook"] = "webhook"
    url: Annotated[SecretStr, AfterValidator(_address)]
    secret: SigningSecret
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10
    connections: Annotated[int, Field(ge=1, le=64)] = 8

    @asynccontextmanager
    async def open(self, *, clock: Callable[[], float] = time.time) -> AsyncGenerator[Channel]:
        """Yield the channel; the sender is met at the first message."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.timeout_seconds),
        ) as http:
            yield WebhookChannel(http, self, clock=clock)


class WebhookChannel:
    """A Channel. Raises Undeliverable for a 4xx about this message, Delayed for everything that may pass."""

    def __init__(self, http: aiohttp.ClientSession, options: WebhookOptions, *, clock: Callable[[], float]) -> None:
        self._http = http
        self._url = options.url.get_secret_value()
        self._key = signing_key(options.secret.get_secret_value())
        self._slots = Slots(options.connections)
        self._clock = clock

    async def deliver(self, to: str, text: Callable[[], Awaitable[Text]], *, id: str) -> None:
        """Post to whom and what; *id* is the `webhook-id` of each try, by which the sender knows a repeated one."""
        await self._slots.take()
        try:
            status = await self._post(_body(to, await text()), id=id)
        finally:
            self._slots.give_back()
        if not 200 <= status < 300:  # noqa: PLR2004  # RFC 9110: a success
            raise delivery_error(status)

    async def _post(self, body: bytes, *, id: str) -> int:
        headers = signed(body, id=id, at=int(self._clock()), key=self._key)
        try:
            async with self._http.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                return response.status
        except TimeoutError as error:
            raise Delayed("timeout") from error
        except aiohttp.ClientSSLError as error:
            raise Delayed("tls") from error
        except aiohttp.ClientConnectorError as error:
            raise Delayed("connect") from error
        # UnicodeError: a host that is no name.
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise Delayed("lost") from error


def _body(to: str, text: Text) -> bytes:
    told = {
        "to": to,
        "channel": text.channel,
        # None: a notice, which has no code.
        "code": text.code or None,
        "text": text.plain,
        "language": text.language,
        "expires_at": datetime.fromtimestamp(text.expires_at, UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")
