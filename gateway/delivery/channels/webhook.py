"""Messages through the operator's own service: one signed POST for each message (Standard Webhooks 1.0).

The POST holds the code and the number, so it goes straight to the configured address, without a proxy.
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

from gateway.delivery.channels.http_post import SUCCESS, delivery_error, open_session, posted
from gateway.delivery.channels.slots import Slots
from gateway.interfaces import Channel, Text
from gateway.options import Options, SigningSecret, is_plain_http_to_another_host, split_url
from gateway.signing import signed, signing_key

IS_URL = re.compile(r"https?://[^\s/@]+(/\S*)?")


def _address(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    # `split_url` also checks the port. A wrong one would otherwise be noticed only at the first message.
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

    def risks(self) -> list[tuple[str, str]]:
        if not is_plain_http_to_another_host(self.url.get_secret_value()):
            return []
        return [("url", "is http: others in the network can read the codes")]

    @asynccontextmanager
    async def open(self, *, clock: Callable[[], float] = time.time) -> AsyncGenerator[Channel]:
        """Yield the channel. It connects to the operator's service at the first message."""
        async with open_session(
            connections=self.connections, timeout_seconds=self.timeout_seconds, use_proxy=False
        ) as http:
            yield WebhookChannel(http, self, clock=clock)


class WebhookChannel:
    """A Channel. Raises Undeliverable for a 4xx, Delayed when another try may help."""

    def __init__(self, http: aiohttp.ClientSession, options: WebhookOptions, *, clock: Callable[[], float]) -> None:
        self._http = http
        self._url = options.url.get_secret_value()
        self._key = signing_key(options.secret.get_secret_value())
        self._slots = Slots(options.connections)
        self._clock = clock

    async def deliver(self, to: str, text: Callable[[], Awaitable[Text]], *, id: str) -> None:
        """Post the message. *id* is the `webhook-id` of every try, so that the service recognises a repeated one."""
        async with self._slots:
            body = _body(to, await text())
            headers = signed(body, id=id, at=int(self._clock()), key=self._key)
            async with posted(self._http, self._url, body=body, headers=headers) as response:
                status = response.status
        if status not in SUCCESS:
            raise delivery_error(status)


def _body(to: str, text: Text) -> bytes:
    message = {
        "to": to,
        "channel": text.channel,
        # A notice has no code.
        "code": text.code or None,
        "text": text.plain,
        "language": text.language,
        "expires_at": datetime.fromtimestamp(text.expires_at, UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
