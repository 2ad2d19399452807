"""Posts urgent events to a service of the operator's own (Standard Webhooks 1.0).

Such an event is logged as any other; this module posts a copy of it. The queue of copies is bounded. A copy that can't
be posted is dropped, and `webhook.dropped` is logged.
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

URGENT_EVENTS = frozenset(
    {
        "lock.soft",
        "lock.hard",
        "attack.name",
        "attack.second_factor",
        "attack.device_replayed",
        "attack.password_tested",
        "courier.failed",
        "drupal.counts_gateway",
    }
)
MOST_WAITING = 1000
TRIES_AFTER_SECONDS = (0, 1, 5, 30)


class EventWebhookOptions(Options):
    """Where to post to. *secret* is `whsec_` and base64 of 24 to 64 bytes, as Standard Webhooks defines it."""

    url: str = Field(pattern=r"^https?://[^\s/@]+(/\S*)?$")
    secret: SigningSecret
    timeout_seconds: float = Field(default=5, gt=0, le=60)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Post events as long as the context is open."""
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
    """A structlog processor. It returns every event unchanged, and queues a copy of the urgent ones."""

    def __init__(self, http: aiohttp.ClientSession, options: EventWebhookOptions) -> None:
        self._http = http
        self._options = options
        self._key = signing_key(options.secret.get_secret_value())
        self._waiting: asyncio.Queue[EventDict] = asyncio.Queue(MOST_WAITING)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if event.get("event") in URGENT_EVENTS:
            try:
                self._waiting.put_nowait(dict(event))
            except asyncio.QueueFull:
                log.warning("webhook.dropped", told=event["event"])
        return event

    async def run(self) -> None:
        """Post the queued events, one after the other, until cancelled."""
        while True:
            event = await self._waiting.get()
            if not await self._post(event):
                log.warning("webhook.dropped", told=event["event"])

    async def _post(self, event: EventDict) -> bool:
        """Try to post *event*; return whether the receiver accepted it."""
        id = f"msg_{secrets.token_urlsafe(16)}"
        fields = {key: value for key, value in event.items() if key not in ("event", "level", "timestamp")}
        payload = {"type": event["event"], "timestamp": datetime.now(UTC).isoformat(), "data": fields}
        body = json.dumps(payload, default=str).encode()
        for wait in TRIES_AFTER_SECONDS:
            await asyncio.sleep(wait)
            # The receiver refuses old timestamps, so each try has a new one.
            headers = signed(body, id=id, at=int(time.time()), key=self._key)
            try:
                async with self._http.post(
                    self._options.url, data=body, headers=headers, allow_redirects=False
                ) as response:
                    if response.ok:
                        return True
            # UnicodeError: the host is not a valid name. One event that fails must not stop the next.
            except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError):
                continue
        return False
