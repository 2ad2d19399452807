"""A WebSocket through the proxy: a checked handshake, and then, once Drupal has answered 101, bytes both ways.

The bytes are not read as HTTP again, so a tunnel is opened only for a handshake that both sides have understood
(RFC 6455 §4.1): anything else would be a way around whatever judges requests.
"""

import asyncio
from base64 import b64decode, b64encode
from binascii import Error
from hashlib import sha1

from aiohttp import web
from aiohttp.streams import StreamReader

from gateway.errors import DrupalInvalid
from gateway.interfaces.upstream import Headers, UpstreamAnswer
from gateway.web.http.connections import Connection
from gateway.web.site.answers import Written, head_of
from gateway.web.site.forwarding import HTTP_1_1, released

# RFC 6455 §1.3.
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY_BYTES = 16
BUFFER_BYTES = 64 * 1024
HANDSHAKE = [("Connection", "Upgrade"), ("Upgrade", "websocket")]


def key_of(request: web.Request, options: frozenset[str]) -> str | None:
    """Return the key of a WebSocket handshake; None for any other request, which goes on without its `Upgrade`.

    *options* are those of the request's `Connection`.
    """
    headers = request.headers
    keys = headers.getall("Sec-WebSocket-Key", [])
    if (
        "upgrade" not in options
        or request.method != "GET"
        or request.version != HTTP_1_1
        or request.body_exists
        or [value.lower() for value in headers.getall("Upgrade", [])] != ["websocket"]
        or headers.getall("Sec-WebSocket-Version", []) != ["13"]
        or len(keys) != 1
        or not is_key(keys[0])
    ):
        return None
    return keys[0]


def is_key(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) == KEY_BYTES
    except (Error, ValueError):
        return False


def accept_of(key: str) -> str:
    return b64encode(sha1((key + GUID).encode(), usedforsecurity=False).digest()).decode()


def accepted(key: str | None, answer: UpstreamAnswer) -> None:
    """Raise DrupalInvalid if nobody asked for this 101, or if it does not answer this handshake."""
    accepts = [value for name, value in answer.headers if name.lower() == "sec-websocket-accept"]
    protocols = [value.lower() for name, value in answer.headers if name.lower() == "upgrade"]
    if key is None or accepts != [accept_of(key)] or protocols != ["websocket"]:
        raise DrupalInvalid("upgrade")


async def tunnel(request: web.Request, answer: UpstreamAnswer, headers: Headers) -> Written:
    """Write the 101, and carry bytes until one side ends."""
    connection = request.protocol
    assert isinstance(connection, Connection)  # noqa: S101  # only server.Server makes requests
    more = "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE)
    await request.writer.write(head_of(answer, released(headers, status=answer.status), more))
    stream = connection.become_stream(BUFFER_BYTES)
    ways = {
        asyncio.create_task(to_drupal(stream, answer)),
        asyncio.create_task(to_visitor(answer, request)),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    return Written(status=answer.status, keep_alive=False)


async def to_drupal(stream: StreamReader, answer: UpstreamAnswer) -> None:
    while piece := await stream.readany():
        await answer.write(piece)


async def to_visitor(answer: UpstreamAnswer, request: web.Request) -> None:
    while piece := await answer.read():
        await request.writer.write(piece)
