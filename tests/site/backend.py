"""A Drupal of raw sockets: it keeps every byte that reaches it, and answers with the bytes that a test chooses."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request. *connection* counts from 0; *body* is decoded, *framed* as it came."""

    head: bytes
    body: bytes
    framed: bytes
    connection: int

    @property
    def line(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:-2]
        return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]

    def named(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.headers if each.lower() == name.lower()]


Answer = Callable[[Received, "Peer"], Awaitable[None]]


class Peer:
    """One connection from the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader, self.writer, self.number = reader, writer, number

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        self.writer.transport.abort()

    async def gone(self, *, seconds: float = 5) -> None:
        """Wait until the gateway has closed this connection."""
        async with asyncio.timeout(seconds):
            with suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass


@dataclass
class Backend:
    """*answer* is bytes, or a coroutine that writes. *reads_body* false leaves the body unread."""

    answer: bytes | Answer = OK
    reads_body: bool = True
    port: int = 0
    received: list[Received] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Received:
        return self.received[-1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, len(self.peers))
        self.peers.append(peer)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body, framed = await read_body(reader, head) if self.reads_body else (b"", b"")
                received = Received(head=head, body=body, framed=framed, connection=peer.number)
                self.received.append(received)
                if isinstance(self.answer, bytes):
                    await peer.send(self.answer)
                else:
                    await self.answer(received, peer)
        writer.close()


async def read_body(reader: asyncio.StreamReader, head: bytes) -> tuple[bytes, bytes]:
    lower = head.lower()
    if b"\r\ntransfer-encoding: chunked\r\n" in lower:
        return await read_chunks(reader)
    length = int(lower.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0] or 0)
    body = await reader.readexactly(length)
    return body, body


async def read_chunks(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    body, framed = b"", b""
    while True:
        size_line = await reader.readuntil(b"\r\n")
        size = int(size_line.partition(b";")[0], 16)
        data = await reader.readexactly(size + 2)
        framed += size_line + data
        if not size:
            return body, framed
        body += data[:-2]


@asynccontextmanager
async def running(backend: Backend, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Backend]:
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0, limit=1 << 20, ssl=tls)
    backend.port = server.sockets[0].getsockname()[1]
    try:
        yield backend
    finally:
        server.close()
        for peer in backend.peers:
            peer.writer.close()
