"""Tells an operator's own service of what should not wait for somebody to read logs (Standard Webhooks 1.0).

An event that is told stays in the log as it is; the hook only sees it pass. What can't be posted is dropped and said:
nothing here may hold up a login or grow without bound.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import structlog
from pydantic import Field
from structlog.typing import EventDict, WrappedLogger

from gateway.options import Options, SigningSecret
from gateway.signing import signed, signing_key

log = structlog.get_logger()

TOLD = frozenset(
    {
        "lock.soft",
        "lock.hard",
        "attack.second_factor",
        "attack.device_replayed",
        "courier.failed",
        "drupal.counts_gateway",
    }
)
MOST_WAITING = 1000
TRIES_AFTER_SECONDS = (0, 1, 5, 30)


class EventWebhookOptions(Options):
    """Where to post to. *secret* is `whsec_` and base64 of 24 to 64 bytes, as Standard Webhooks has it."""

    url: str = Field(pattern=r"^https?://[^\s/@]+(/\S*)?$")
    secret: SigningSecret
    timeout_seconds: float = Field(default=5, gt=0, le=60)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Post while open."""
        timeout = aiohttp.ClientTimeout(total=self.timeout_seconds)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as http:
            webhook = EventWebhook(http, self)
            before = structlog.get_config()["processors"]
            structlog.configure(processors=[*before[:-1], webhook, before[-1]])
            poster = asyncio.create_task(webhook.run())
            try:
                yield
            finally:
                structlog.configure(processors=before)
                poster.cancel()


class EventWebhook:
    """A structlog processor that lets every event pass and remembers those that are told."""

    def __init__(self, http: aiohttp.ClientSession, options: EventWebhookOptions) -> None:
        self._http = http
        self._options = options
        self._key = signing_key(options.secret.get_secret_value())
        self._waiting: asyncio.Queue[EventDict] = asyncio.Queue(MOST_WAITING)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if event.get("event") in TOLD:
            try:
                self._waiting.put_nowait(dict(event))
            except asyncio.QueueFull:
                log.warning("webhook.dropped", told=event["event"])
        return event

    async def run(self) -> None:
        """Post one after the other until cancelled."""
        while True:
            event = await self._waiting.get()
            if not await self._told(event):
                log.warning("webhook.dropped", told=event["event"])

    async def _told(self, event: EventDict) -> bool:
        id = f"msg_{secrets.token_urlsafe(16)}"
        fields = {key: value for key, value in event.items() if key not in ("event", "level", "timestamp")}
        told = {"type": event["event"], "timestamp": datetime.now(UTC).isoformat(), "data": fields}
        body = json.dumps(told, default=str).encode()
        for wait in TRIES_AFTER_SECONDS:
            await asyncio.sleep(wait)
            # The receiver refuses old timestamps, so each try has its own.
            headers = signed(body, id=id, at=int(time.time()), key=self._key)
            try:
                async with self._http.post(
                    self._options.url, data=body, headers=headers, allow_redirects=False
                ) as response:
                    if response.ok:
                        return True
            # UnicodeError: a host that is no name. Whatever one event does, the next must find a poster.
            except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError):
                continue
        return False
