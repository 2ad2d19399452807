"""The HTTP client for one Drupal: no cookie jar, no redirects, no proxies from the environment, bounded answers.

The gateway sends nothing twice. aiohttp itself repeats a GET if its kept connection turns out to be closed.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
from yarl import URL

from gateway.drupal.answers import Answer
from gateway.drupal.bulkhead import Breaker, Bulkhead
from gateway.drupal.connections import StrictConnector
from gateway.errors import DrupalInvalid, DrupalUnavailable
from gateway.networks import subscriber_of

# The account form has some 55 kB (measured). Anything much larger is something else.
MOST_BYTES = 1 << 20
# The reason where an answer is not HTTP, or its headers exceed the limits below. Drupal sends some thirty headers
# (measured).
UNREADABLE = "unreadable"
HEADER_BYTES = 64 * 1024
MOST_HEADERS = 1000
# The web server's answers for a Drupal that does not answer. A 500 comes from Drupal itself.
ABSENT = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})


@asynccontextmanager
async def peer_at(
    url: str,
    *,
    headers: Mapping[str, str],
    max_concurrent: int,
    queue_seconds: float,
    connect_seconds: float,
    keep_alive_seconds: float,
) -> "AsyncGenerator[Peer]":
    """Yield the peer at *url*. Every request carries *headers*."""
    async with aiohttp.ClientSession(
        connector=StrictConnector(keepalive_timeout=keep_alive_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds),
        skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        max_headers=MOST_HEADERS,
    ) as http:
        yield Peer(http, url, headers=headers, bulkhead=Bulkhead(max_concurrent, queue_seconds=queue_seconds))


class Peer:
    """Sends requests to one Drupal, through its bulkhead and its circuit breaker."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, *, headers: Mapping[str, str], bulkhead: Bulkhead
    ) -> None:
        self._http = http
        self._url = url
        self._headers = dict(headers)
        self._bulkhead = bulkhead
        self._breaker = Breaker()

    def beside(self, max_concurrent: int, *, queue_seconds: float) -> "Peer":
        """Return a peer at the same address with places and a breaker of its own."""
        return Peer(
            self._http, self._url, headers=self._headers, bulkhead=Bulkhead(max_concurrent, queue_seconds=queue_seconds)
        )

    @property
    def answers(self) -> bool | None:
        return False if self._breaker.is_open else self._breaker.has_answered or None

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        cookies: list[str] | None = None,
        follow_up: bool = False,
    ) -> Answer:
        """Send one request and read its whole answer.

        *path* is sent as it is. *cookies* gets the Set-Cookie lines as soon as the head has come, even if no body
        follows. *follow_up* marks a call for a login that Drupal has accepted.

        Raises DrupalBusy, DrupalUnavailable or DrupalInvalid.
        """
        network = subscriber_or_none(headers.get("X-Forwarded-For"))
        self._breaker.demand_closed()
        async with self._bulkhead.slot(network, follow_up=follow_up):
            try:
                async with self._http.request(
                    method,
                    URL(self._url + path, encoded=True),
                    data=body,
                    headers={**self._headers, **headers},
                    allow_redirects=False,
                ) as response:
                    if cookies is not None:
                        cookies += response.headers.getall("Set-Cookie", ())
                    answer = await _whole(response)
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError, OSError) as error:
                # `from None`: aiohttp's text may quote headers, which hold cookies.
                self._breaker.failed(network)
                raise DrupalUnavailable(type(error).__name__) from None
            except (aiohttp.ClientError, ValueError):
                raise DrupalInvalid(UNREADABLE) from None
        if answer.status in ABSENT:
            self._breaker.failed(network)
        else:
            self._breaker.succeeded()
        return answer

    def timed_out(self, address: str) -> None:
        """Count a call for *address* that the caller has given up."""
        self._breaker.failed(subscriber_or_none(address))


def subscriber_or_none(address: str | None) -> str:
    """What counts as one network, which gets a quarter of Drupal at most. Empty for no address.

    It is an IPv4 address or an IPv6 /56. With /64s, one subscriber would have 256 quarters and 256 turns, and could
    open the breaker alone.
    """
    return subscriber_of(address) if address else ""


async def _whole(response: aiohttp.ClientResponse) -> Answer:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MOST_BYTES:
            raise DrupalInvalid("too_large")
    return Answer(
        status=response.status,
        content_type=response.content_type,
        cookies=tuple(response.headers.getall("Set-Cookie", ())),
        body=bytes(body),
        location=response.headers.get("Location", ""),
    )
