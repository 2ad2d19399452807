"""Peers whose every byte a test decides on: a client that speaks HTTP by hand, and a way to Redis that holds replies."""

import asyncio
import contextlib
import json
import os
import re
import socket
import struct
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gateway.store.redis.counters import _TAKE
from gateway.store.redis.outbox import _PUT
from gateway.store.redis.server import Script
from gateway.store.redis.swap import SWAP
from tests.redis_server import RedisServer
from tests.world import KEY, PASSWORDS, pending

ANSWER_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    body: Any
    cookies: list[str]

    @property
    def code(self) -> str | None:
        return self.body.get("code")


class Request:
    """One request on a connection of its own, sent piece by piece."""

    def __init__(
        self, url: str, endpoint: str, body: Mapping[str, object], *, headers: Mapping[str, str] | None = None
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self.body = json.dumps(body).encode()
        lines = [
            f"POST /headless/{endpoint} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(self.body)}",
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        self.head = "\r\n".join([*lines, "", ""]).encode()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> "Request":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def hold(self) -> "Request":
        """Open, and send all but the last byte."""
        await self.open()
        await self.send(self.head + self.body[:-1])
        return self

    async def release(self) -> None:
        await self.send(self.body[-1:])

    async def send(self, data: bytes | None = None) -> None:
        """The whole request, or *data*."""
        self._writer.write(self.head + self.body if data is None else data)
        await self._writer.drain()

    async def first_byte(self) -> bytes:
        return await self._reader.read(1)

    async def answer(self) -> Reply:
        """Read the whole answer and leave. Raises EOFError or OSError when the gateway dies before its end."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                fields = [line.partition(": ")[::2] for line in head[1:] if line]
                length = next(int(value) for name, value in fields if name.lower() == "content-length")
                body = await self._reader.readexactly(length)
        finally:
            self.leave()
        return Reply(
            status=int(head[0].split(" ")[1]),
            body=json.loads(body),
            cookies=[value for name, value in fields if name.lower() == "set-cookie"],
        )

    def leave(self) -> bool:
        """FIN, as close() sends it; whether anything of the answer had come by then. What comes later is reset."""
        if not self._writer or self._writer.transport.is_closing():
            return False
        sock = self._writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        come = self._has_come(sock.fileno())
        self._writer.close()
        return come

    def reset(self) -> bool:
        """RST: what was not read is thrown away; whether anything of the answer had come right before."""
        if not self._writer or self._writer.transport.is_closing():
            return False
        sock = self._writer.get_extra_info("socket")
        come = self._has_come(sock.fileno())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        # The transport would do so in the loop's next turn, and an answer might come until then.
        sock._sock.close()
        return come

    def _has_come(self, descriptor: int) -> bool:
        if self._reader._buffer:
            return True
        with socket.socket(fileno=os.dup(descriptor)) as same:
            try:
                return bool(same.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
            except OSError:
                return False


def opening(username: str = "alice", password: str | None = None, *, key: str = KEY) -> dict[str, object]:
    """The body of /authenticate."""
    return {"username": username, "password": password or PASSWORDS[username], "apiKey": key}


def typing(opened, otp: str, *, key: str = KEY) -> dict[str, object]:
    """The body of /login."""
    return pending(opened) | {"authType": opened["authType"], "otp": otp, "apiKey": key}


# What a command to Redis looks like at each step of a login.
PARK = (b"\r\nSET\r\n", b"headgate:parked:", b"headgate:deadlines\r\n")
STORE = (b"\r\nSET\r\n", b"headgate:tx:", b"\r\nNX\r\n")
POST = (_PUT.digest.encode(),)
COUNT = (_TAKE.digest.encode(), b"\r\n1\r\n")
WIN = (SWAP.digest.encode(), b"headgate:tx:")
HAND = (b"\r\nGET\r\n", b"headgate:parked:", b"\r\nZADD\r\n")
REMOVE = (b"\r\nDEL\r\n", b"headgate:parked:")


def through(packet: bytes, step: tuple[bytes, ...]) -> bytes:
    """*packet* up to the last command of *step*: what was sent with it need not have arrived with it."""
    begins = [match.start() for match in re.finditer(rb"\*\d+\r\n\$\d+\r\n[A-Z]+\r\n", packet)]
    return next(
        (packet[:end] for end in begins[1:] if all(word in packet[:end] for word in step)),
        packet,
    )


class Tap:
    """A way to Redis. Armed with a step, it stops there: *struck* is set, and nothing passes that connection any more.

    `after` lets the command through and keeps the reply: done there, unseen here. `before` keeps the command.
    """

    def __init__(self, port: int) -> None:
        self._redis_port = port
        self._step: tuple[bytes, ...] = ()
        self._after = True
        self._act: Callable[[], None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.struck = asyncio.Event()
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def open(cls, server: RedisServer) -> AsyncGenerator["Tap"]:
        tap = cls(server.port)
        load_scripts(server)
        listener = await asyncio.start_server(tap._serve, "127.0.0.1", 0)
        tap.url = f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}/0"
        try:
            yield tap
        finally:
            listener.close()
            for task in tap._tasks:
                task.cancel()
            await asyncio.gather(*tap._tasks, return_exceptions=True)

    def after(self, step: tuple[bytes, ...]) -> None:
        self._step, self._after = step, True
        self.struck.clear()

    def before(self, step: tuple[bytes, ...]) -> None:
        self._step, self._after = step, False
        self.struck.clear()

    def on(self, step: tuple[bytes, ...], act: Callable[[], None]) -> None:
        """Nothing is held; *act* is done right before the command goes on."""
        self._act = act
        self.before(step)

    async def reached(self) -> None:
        async with asyncio.timeout(10):
            await self.struck.wait()

    async def _serve(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._redis_port)
        except OSError:
            # Redis is away, and so is every way to it.
            client_writer.close()
            return
        stopped = asyncio.Event()
        forth = asyncio.create_task(self._forth(client_reader, writer, stopped))
        back = asyncio.create_task(self._back(reader, client_writer, stopped))
        try:
            await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            forth.cancel()
            back.cancel()
            await asyncio.gather(forth, back, return_exceptions=True)
            writer.close()
            client_writer.close()

    async def _forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stopped: asyncio.Event) -> None:
        while data := await reader.read(1 << 20):
            if self._step and all(word in data for word in self._step):
                step, self._step = self._step, ()
                if self._act:
                    self._act()
                    self._act = None
                    writer.write(data)
                    continue
                stopped.set()
                if self._after:
                    writer.write(through(data, step))
                else:
                    self.struck.set()
                await reader.read(-1)
                return
            writer.write(data)
            await writer.drain()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stopped: asyncio.Event) -> None:
        while data := await reader.read(1 << 20):
            if stopped.is_set():
                self.struck.set()
                continue
            writer.write(data)
            await writer.drain()


def load_scripts(server: RedisServer) -> None:
    """Make every script known, as on a server in use: each step is one command then."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:
        for source in Script.known.values():
            text = source.encode()
            peer.sendall(b"*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$%d\r\n%b\r\n" % (len(text), text))
            assert peer.recv(1024).startswith(b"$40")
