"""One POST to a peer that sends messages, and what its answer means for the message.

A POST holds a code and a number, so it goes to one address only: no redirect is followed.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp

from gateway.errors import Delayed, DeliveryError, Undeliverable

SUCCESS = range(200, 300)
FINAL = range(400, 500)
# RFC 9110 and 6585: these 4xx mean "not now". Any other 4xx means that the peer will refuse the same message again.
NOT_NOW = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@asynccontextmanager
async def open_session(
    *, connections: int, timeout_seconds: float, use_proxy: bool
) -> AsyncGenerator[aiohttp.ClientSession]:
    """Yield a session without cookies. *use_proxy* lets it use the proxy that the environment names."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout_seconds),
        trust_env=use_proxy,
    ) as http:
        yield http


@asynccontextmanager
async def posted(
    http: aiohttp.ClientSession, url: str, *, body: bytes, headers: Mapping[str, str]
) -> AsyncGenerator[aiohttp.ClientResponse]:
    """Post *body* and yield the answer. Raises Delayed when there is none, or when it can't be read to its end."""
    try:
        async with http.post(url, data=body, headers=headers, allow_redirects=False) as response:
            yield response
    except TimeoutError as error:
        raise Delayed("timeout") from error
    except aiohttp.ClientSSLError as error:
        raise Delayed("tls") from error
    except aiohttp.ClientConnectorError as error:
        raise Delayed("connect") from error
    # UnicodeError: the host is not a valid name.
    except (aiohttp.ClientError, OSError, UnicodeError) as error:
        raise Delayed("lost") from error


def delivery_error(status: int) -> DeliveryError:
    """The error for *status*, which is not a success. Its reason holds the status and nothing else."""
    kind = Undeliverable if status in FINAL and status not in NOT_NOW else Delayed
    return kind(f"http_{status}")
