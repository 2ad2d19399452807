"""Visitors of the proxy: bytes on a socket, and answers byte for byte."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.wire import RESET_AT_CLOSE

HOST = b"Host: www.example.org\r\n"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer; *body* is decoded, *framed* as it came."""

    head: bytes
    body: bytes = field(repr=False)
    framed: bytes = field(repr=False)

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:-2]
        return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]

    def named(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.headers if each.lower() == name.lower()]


class Visitor:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, *, seconds: float = 5) -> bytes:
        async with asyncio.timeout(seconds):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def reply(self, *, method: str = "GET", seconds: float = 5) -> Reply:
        """The next answer. Raises IncompleteReadError if it breaks off."""
        head = await self.head(seconds=seconds)
        async with asyncio.timeout(seconds):
            body, framed = await self._body(head, method)
        return Reply(head=head, body=body, framed=framed)

    async def _body(self, head: bytes, method: str) -> tuple[bytes, bytes]:
        from tests.site.backend import read_chunks

        status = int(head.split(b" ", 2)[1])
        lower = head.lower()
        if method == "HEAD" or status in (204, 304) or status < 200:
            return b"", b""
        if b"\r\ntransfer-encoding: chunked\r\n" in lower:
            return await read_chunks(self.reader)
        if b"\r\ncontent-length: " in lower:
            length = int(lower.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
            body = await self.reader.readexactly(length)
            return body, body
        body = await self.reader.read()
        return body, body

    async def rest(self, *, seconds: float = 5) -> bytes:
        """Everything until the gateway closes."""
        async with asyncio.timeout(seconds):
            return await self.reader.read()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        self.writer.transport.abort()


@dataclass(kw_only=True)
class Site:
    port: int

    @asynccontextmanager
    async def visit(self, *, limit: int = 1 << 20) -> AsyncGenerator[Visitor]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=limit)
        try:
            yield Visitor(reader, writer)
        finally:
            writer.transport.abort()

    async def ask(self, data: bytes, *, method: str = "GET", seconds: float = 5) -> Reply:
        """Send *data* on a connection of its own; return the first answer."""
        async with self.visit() as visitor:
            await visitor.send(data)
            return await visitor.reply(method=method, seconds=seconds)

    async def get(self, target: bytes = b"/", *headers: bytes) -> Reply:
        return await self.ask(request(target, *headers))


def request(target: bytes, *headers: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    """The bytes of a request; *headers* are whole lines without their ends."""
    length = [b"Content-Length: %d" % len(body)] if body else []
    lines = [b"%b %b HTTP/1.1" % (method, target), HOST.rstrip(), *headers, *length, b"", b""]
    return b"\r\n".join(lines) + body


async def eventually(check, *, seconds: float = 5) -> None:
    """Wait until *check()* holds."""
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.01)
