"""CPU and memory of the proxy against a bare one of aiohttp, in under a minute: `python -m tests.bench.proxying`.

What counts are ratios of CPU time, the median over rounds that take turns.
"""

import asyncio
import base64
import json
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import uvloop

from gateway.drupal.cookies import session_name
from gateway.sealing import Sealer, SealKey, parse_secret
from gateway.web.site.sealed_cookies import Kind, SealedCookies, SealedSession
from tests.bench import processes
from tests.ports import free_port

AT_ONCE = 16
MIB = 1 << 20
KEY = "k1:" + base64.b64encode(os.urandom(32)).decode()
INDEX_KEY = base64.b64encode(os.urandom(32)).decode()
ORIGIN = "http://www.example.org"
NAME = session_name(ORIGIN)
ID = "q0VvXw2rU8sT4kP6bD7eF9gA1cB3dE5f"
GET = (
    b"GET /node/1?page=2 HTTP/1.1\r\nHost: www.example.org\r\nAccept: text/html,application/xhtml+xml;q=0.9\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n"
    b"DNT: 1\r\nCookie: a=1; "
)


def page_request(value: str) -> bytes:
    """A request for a page, with a session's cookie."""
    return GET + f"{NAME}={value}\r\n\r\n".encode()


def sealed() -> str:
    """The cookie's value behind the guard: a session whose user has passed the second factor."""
    sealer = Sealer([SealKey.parse(KEY)], parse_secret(INDEX_KEY))
    session = SealedSession(kind=Kind.PROVEN, id=ID, uid="2", since=1_800_000_000)
    return SealedCookies(sealer, origin=ORIGIN).seal(NAME, session)


class Browser(asyncio.Protocol):
    """One kept connection, on which the same page is read again and again."""

    def __init__(self, request: bytes, times: int, done: asyncio.Future[None]) -> None:
        self.request = request
        self.left, self.done, self.got, self.whole = times, done, 0, 0

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data):
        if not self.whole:
            end = data.index(b"\r\n\r\n") + 4
            length = data.lower().index(b"content-length: ") + 16
            self.whole = end + int(data[length : data.index(b"\r", length)])
        self.got += len(data)
        if self.got < self.whole:
            return
        assert self.got == self.whole, "more than one answer"
        self.got = self.whole = 0
        self.left -= 1
        if self.left:
            self.transport.write(self.request)
        else:
            self.transport.close()
            self.done.set_result(None)


@dataclass(kw_only=True)
class Measured:
    name: str
    pid: int
    port: int
    request: bytes
    page_us: list[float] = field(default_factory=list)
    down_ms: list[float] = field(default_factory=list)
    up_ms: list[float] = field(default_factory=list)
    down_mibs: list[float] = field(default_factory=list)
    up_mibs: list[float] = field(default_factory=list)

    async def pages(self, times: int) -> None:
        loop = asyncio.get_running_loop()
        before = processes.cpu_seconds(self.pid)
        dones = [loop.create_future() for _ in range(AT_ONCE)]
        for done in dones:
            await loop.create_connection(
                lambda done=done: Browser(self.request, times // AT_ONCE, done), "127.0.0.1", self.port
            )
        await asyncio.gather(*dones)
        self.page_us.append((processes.cpu_seconds(self.pid) - before) / times * 1e6)

    async def download(self, mebibytes: int) -> None:
        before, begun = processes.cpu_seconds(self.pid), asyncio.get_running_loop().time()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=MIB)
        writer.write(b"GET /download/%d HTTP/1.1\r\nHost: www.example.org\r\nConnection: close\r\n\r\n" % mebibytes)
        await reader.readuntil(b"\r\n\r\n")
        got = 0
        while data := await reader.read(MIB):
            got += len(data)
        assert got == mebibytes * MIB
        writer.close()
        self.down_ms.append((processes.cpu_seconds(self.pid) - before) / mebibytes * 1e3)
        self.down_mibs.append(mebibytes / (asyncio.get_running_loop().time() - begun))

    async def upload(self, mebibytes: int) -> None:
        before, begun = processes.cpu_seconds(self.pid), asyncio.get_running_loop().time()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = b"PUT /upload HTTP/1.1\r\nHost: www.example.org\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (mebibytes * MIB))
        piece = bytes(MIB)
        for _ in range(mebibytes):
            writer.write(piece)
            await writer.drain()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 204"), answer
        writer.close()
        self.up_ms.append((processes.cpu_seconds(self.pid) - before) / mebibytes * 1e3)
        self.up_mibs.append(mebibytes / (asyncio.get_running_loop().time() - begun))


def configuration(site_port: int) -> dict[str, object]:
    return {
        "listen": {"host": "127.0.0.1", "port": free_port()},
        "admin": {"host": "127.0.0.1", "port": free_port()},
        "public_url": "http://www.example.org",
        "keys": [KEY],
        "index_key": INDEX_KEY,
        "headless": {"clients": [{"id": "web", "api_key": "an-api-key-of-the-benchmark"}]},
        "drupal": {"url": f"http://127.0.0.1:{site_port}"},
        "proxy": {"enabled": True},
        "channels": {"email": {"host": "127.0.0.1", "port": 9}},
        "log": {"format": "json"},
    }


@asynccontextmanager
async def servers(folder: Path) -> AsyncGenerator[tuple[Measured, Measured]]:
    async with processes.started("tests.bench.site", log=folder / "site.log") as (_, site):
        settings = configuration(site["http"])
        async with (
            processes.started("tests.bench.bare_proxy", site["http"], log=folder / "bare.log") as (bare_pid, bare),
            processes.headgate(settings, folder=folder) as pid,
        ):
            port: int = settings["listen"]["port"]  # type: ignore[index]
            yield (
                Measured(name="bare", pid=bare_pid, port=bare["http"], request=page_request(ID)),
                Measured(name="gateway", pid=pid, port=port, request=page_request(sealed())),
            )


async def measure(*, rounds: int, pages: int, mebibytes: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with servers(Path(folder)) as (bare, gateway):
            both = (bare, gateway)
            for server in both:
                await server.pages(pages)
                server.page_us.clear()
            idle = processes.rss_mebibytes(gateway.pid)
            for _ in range(rounds):
                for server in both:
                    await server.pages(pages)
                    await server.download(mebibytes)
                    await server.upload(mebibytes)
            return {
                "cpu_us_per_page": {server.name: round(median(server.page_us)) for server in both},
                "bare_over_gateway_page": ratio(bare.page_us, gateway.page_us),
                "cpu_ms_per_mebibyte_down": {server.name: round(median(server.down_ms), 3) for server in both},
                "bare_over_gateway_down": ratio(bare.down_ms, gateway.down_ms),
                "cpu_ms_per_mebibyte_up": {server.name: round(median(server.up_ms), 3) for server in both},
                "bare_over_gateway_up": ratio(bare.up_ms, gateway.up_ms),
                "mebibytes_per_second_down": {server.name: round(median(server.down_mibs)) for server in both},
                "mebibytes_per_second_up": {server.name: round(median(server.up_mibs)) for server in both},
                "gateway_over_bare_speed_down": ratio(gateway.down_mibs, bare.down_mibs),
                "gateway_over_bare_speed_up": ratio(gateway.up_mibs, bare.up_mibs),
                "rss_above_idle_mebibytes": round(processes.rss_mebibytes(gateway.pid) - idle, 1),
            }


def ratio(one: list[float], other: list[float]) -> float:
    return round(median(first / second for first, second in zip(one, other, strict=True)), 3)


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(rounds=7, pages=1600, mebibytes=256)), indent=2))
