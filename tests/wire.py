"""HTTP as bytes on a socket: what no client library would send, and answers exactly as they came."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from multidict import CIMultiDict

RESET_AT_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer; *raw* is everything that came, head and all."""

    status: int
    headers: CIMultiDict[str] = field(repr=False)
    content: bytes
    raw: bytes = field(repr=False)

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str | None:
        return self.body.get("code")


class Line:
    """One open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, *, seconds: float = 10) -> Reply:
        """The next answer. Raises EOFError when the other side closes without one."""
        async with asyncio.timeout(seconds):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = CIMultiDict(tuple(line.split(": ", 1)) for line in lines)
            content = await self.reader.readexactly(int(headers.get("Content-Length", 0)))
        return Reply(status=int(first.split()[1]), headers=headers, content=content, raw=head + content)

    async def rest(self, *, seconds: float = 10) -> bytes:
        """Everything until the other side closes."""
        async with asyncio.timeout(seconds):
            return await self.reader.read()

    def finish(self) -> None:
        """FIN: nothing more will come from here."""
        self.writer.write_eof()

    def reset(self) -> None:
        """RST, as a machine does that knows nothing of this connection."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        self.writer.transport.abort()


@asynccontextmanager
async def line(url: str) -> AsyncGenerator[Line]:
    """A connection to the server of *url*."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection("127.0.0.1", parts.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


async def ask(url: str, data: bytes, *, finish: bool = False) -> Reply:
    """Send *data* as it is on a connection of its own; return the first answer."""
    async with line(url) as open_line:
        await open_line.send(data)
        if finish:
            open_line.finish()
        return await open_line.reply()


def request(
    endpoint: str,
    body: bytes | object,
    *headers: str,
    method: str = "POST",
    content_type: str | None = "application/json",
    length: int | None = None,
) -> bytes:
    """The bytes of a request to `/headless`; *body* is taken as it is, or as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} /headless/{endpoint} HTTP/1.1", "Host: localhost"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if length is None or length >= 0:
        lines.append(f"Content-Length: {len(content) if length is None else length}")
    return "\r\n".join([*lines, *headers, "", ""]).encode("utf-8", "surrogateescape") + content


async def post(url: str, endpoint: str, body: bytes | object, *headers: str, **how: Any) -> Reply:
    """One POST on a connection of its own."""
    return await ask(url, request(endpoint, body, *headers, **how))


def assert_ours(reply: Reply) -> None:
    """What every answer of the gateway has, whatever was asked."""
    assert reply.headers.getall("X-Answered-By") == ["headgate"]
    assert len(reply.headers["X-Request-ID"]) == 16
    assert reply.headers.getall("Cache-Control") == ["no-store"]
    assert reply.headers.getall("Content-Type") == ["application/json;charset=utf-8"]
    assert reply.body["message"]
    assert reply.status == 200 or reply.body["status"] in ("FAILED", "ERROR")
    assert reply.status == 200 or reply.code
