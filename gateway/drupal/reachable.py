"""Whether anybody answers at Drupal's address.

This is asked once, at the start, so that a wrong address is noticed before the first login.
"""

import asyncio
import socket
from contextlib import suppress

from gateway.options import split_url

PORTS = {"http": 80, "https": 443}


async def why_unreachable(url: str, *, seconds: float) -> str | None:
    """Return why no connection to *url* opens within *seconds*, as one word; None if one opens. Sends nothing."""
    parts = split_url(url)
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or PORTS[parts.scheme])
    except socket.gaierror:
        return "unknown_host"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "timeout"
    # UnicodeError: the host is not a valid name.
    except (OSError, UnicodeError):
        return "unreachable"
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return None
