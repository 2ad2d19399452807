"""Frontends that log people in: raw sockets, so that the machine is left to what is measured."""

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

KEY = "an-api-key-of-the-benchmark-0123456789"
LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
# Every login is somebody else's, or three open transactions an account would displace each other.
numbers = count(1)


class Connection(asyncio.Protocol):
    """One kept connection, one question at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._answered: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def to(cls, port: int) -> "Connection":
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport):
        self._transport = transport

    def ask(
        self, method: str, path: str, body: dict[str, object] | None, *, visitor: int = 0
    ) -> asyncio.Future[tuple[int, bytes]]:
        """Status and body, of a question as a browser behind an ingress asks it."""
        text = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: www.example.org\r\nContent-Type: application/json\r\nAccept: */*\r\n"
            f"X-Forwarded-For: 10.{visitor >> 16 & 255}.{visitor >> 8 & 255}.{visitor & 255}\r\n"
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
            f"Accept-Language: en-US,en;q=0.5\r\nContent-Length: {len(text)}\r\n\r\n"
        )
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(head.encode() + text)
        return self._answered

    def data_received(self, data):
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        match = LENGTH.search(self._received, 0, end)
        whole = end + 4 + (int(match[1]) if match else 0)
        if len(self._received) < whole:
            return
        received, self._received = self._received, b""
        if self._answered and not self._answered.done():
            self._answered.set_result((int(received[9:12]), received[end + 4 :]))

    def connection_lost(self, _error):
        if self._answered and not self._answered.done():
            self._answered.set_exception(ConnectionError("closed before it answered"))

    def close(self) -> None:
        self._transport.close()


class Codes(asyncio.Protocol):
    """The codes that the sink tells of, by the address they went to."""

    def __init__(self) -> None:
        self._received = b""
        self._codes: dict[str, asyncio.Future[str]] = {}

    @classmethod
    @asynccontextmanager
    async def of(cls, port: int) -> AsyncGenerator["Codes"]:
        transport, codes = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        try:
            yield codes
        finally:
            transport.close()

    def data_received(self, data):
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            to, _, code = line.decode().partition(" ")
            self._code(to).set_result(code)

    async def to(self, address: str) -> str:
        try:
            return await asyncio.wait_for(self._code(address), 20)
        finally:
            del self._codes[address]

    def _code(self, address: str) -> asyncio.Future[str]:
        return self._codes.setdefault(address, asyncio.get_running_loop().create_future())


@dataclass(kw_only=True)
class Frontend:
    """Logs people in on *port*; with *codes*, the second step waits for the mail."""

    port: int
    codes: Codes | None
    steps: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    async def authenticate(self, connection: Connection) -> dict[str, str]:
        """Step 1. The code stands in what is returned, as step 2 wants it."""
        number = next(numbers)
        name = f"user{number}"
        body = {"username": name, "password": "correct horse battery", "apiKey": KEY}
        begun = time.perf_counter()
        status, answer = await connection.ask("POST", "/headless/authenticate", body, visitor=number)
        self.steps[0].append(time.perf_counter() - begun)
        assert status == 200, answer
        otp = await self.codes.to(f"{name}@example.org") if self.codes else "000000"
        opened = json.loads(answer)
        return {
            "username": name,
            "transactionID": opened["transactionID"],
            "authType": opened["authType"],
            "otp": otp,
            "apiKey": KEY,
        }

    async def login(self, connection: Connection, body: dict[str, str]) -> None:
        """Step 2."""
        begun = time.perf_counter()
        status, answer = await connection.ask("POST", "/headless/login", body, visitor=1)
        self.steps[1].append(time.perf_counter() - begun)
        assert status == 200, answer

    async def log_in(self, times: int, *, at_once: int) -> None:
        """Both steps, so many times in all."""
        left = iter(range(times))

        async def one_after_another() -> None:
            connection = await Connection.to(self.port)
            for _ in left:
                await self.login(connection, await self.authenticate(connection))
            connection.close()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(one_after_another())

    async def open(self, times: int, *, at_once: int) -> None:
        """Step 1 alone: logins that go on waiting for their code."""
        left = iter(range(times))

        async def one_after_another() -> None:
            connection = await Connection.to(self.port)
            for _ in left:
                await self.authenticate(connection)
            connection.close()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(one_after_another())
