"""Reads the body of a request, and refuses one that is large, incomplete or of another type; parses a JSON object."""

import asyncio
import json
from collections.abc import Iterable

from aiohttp import ClientPayloadError, StreamReader, web

from gateway.errors import Malformed
from gateway.web.http.statuses import MediaType, TooLarge

MOST_BYTES = 16 * 1024
MOST_LEVELS = 8
# aiohttp parses a Content-Type of eight thousand semicolons for a second, and serves nothing meanwhile (measured).
TYPE_CHARACTERS = 256
# The time for the whole body, counted from the head.
BODY_SECONDS = 10


def demand_usable(text: str) -> str:
    """Return *text*. Raises ValueError for a NUL or a lone surrogate.

    Drupal cuts a password at a NUL, and answers a surrogate with 500 (measured, 10.6 and 11.4).
    """
    if "\0" in text or not _encodes(text):
        raise ValueError("unusable text")
    return text


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


async def whole_body(
    request: web.Request, *, media_type: str = "application/json", most_bytes: int = MOST_BYTES
) -> bytes:
    """The bytes of the body. Raises MediaType, TooLarge, Malformed, ConnectionResetError."""
    types = request.headers.getall("Content-Type", [])
    plain = (
        len(types) == 1
        and len(types[0]) <= TYPE_CHARACTERS
        and request.content_type == media_type
        and _is_utf8(request)
    )
    if not plain or "Content-Encoding" in request.headers:
        raise MediaType
    if (request.content_length or 0) > most_bytes:
        raise TooLarge
    try:
        # Nearly every body arrives together with its head, so that no timer is needed.
        if request.content.is_eof():
            return await _small(request.content, most_bytes)
        async with asyncio.timeout(BODY_SECONDS):
            return await _small(request.content, most_bytes)
    except TimeoutError:
        raise Malformed("slow") from None
    except (ClientPayloadError, web.RequestPayloadError):
        raise Malformed("payload") from None
    except RuntimeError:
        # aiohttp raises RuntimeError for a body that is awaited on a connection which we have closed.
        if request.transport is not None:
            raise
        raise ConnectionResetError("client gone") from None


async def _small(content: StreamReader, most_bytes: int) -> bytes:
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > most_bytes:
            raise TooLarge
    return bytes(body)


def _is_utf8(request: web.Request) -> bool:
    charset = request.charset
    return charset is None or charset.lower() in ("utf-8", "utf8")


def parse(body: bytes) -> dict[str, object]:
    """Parse a JSON object at most eight levels deep. Raises Malformed for anything else."""
    try:
        document = json.loads(
            body.decode("utf-8"), parse_int=_number, parse_constant=_refuse, object_pairs_hook=_unique
        )
    except (ValueError, RecursionError):
        raise Malformed("json") from None
    if not isinstance(document, dict) or _deeper_than(document, MOST_LEVELS):
        raise Malformed("json")
    return document


def _number(_digits: str) -> int:
    """Read any number as 0. No field is a number, and Python refuses to convert more than 4,300 digits."""
    return 0


def _refuse(_constant: str) -> None:
    raise ValueError("not JSON")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse an object that has a key twice: another parser may read the other value."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key twice")
    return document


def _deeper_than(document: object, levels: int) -> bool:
    layer: list[object] = [document]
    for _ in range(levels):
        layer = [child for node in layer for child in _children(node)]
        if not layer:
            return False
    return any(isinstance(node, (dict, list)) for node in layer)


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def echo_of(document: dict[str, object], keys: Iterable[str]) -> dict[str, str]:
    """The values of *keys* that an answer may repeat: those that would have been accepted."""
    echo = {}
    for key in keys:
        value = document.get(key)
        if isinstance(value, str) and len(value) <= ECHO_MOST.get(key, 128) and _encodes(value) and "\0" not in value:
            echo[key] = value
    return echo


ECHO_MOST = {"username": 254}
