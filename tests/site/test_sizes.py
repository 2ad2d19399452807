"""Large bodies pass a process that stays small. 64 MiB, or 1 GiB under HEADGATE_LONG."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from tests.site.backend import Backend, running
from tests.site.process import served
from tests.site.visitor import HOST, request
from tests.world import Process

MIB = 1 << 20
SIZE = (1024 if os.environ.get("HEADGATE_LONG") else 64) * MIB
MOST_MEBIBYTES = 64
PIECE = hashlib.sha256(b"piece").digest() * (MIB // 32)

pytestmark = pytest.mark.alone


class Memory:
    """The most that a process has used since `reset`, above what it used then."""

    def __init__(self, process: Process) -> None:
        self.folder = Path(f"/proc/{process.process.pid}")
        self.idle = 0.0

    def reset(self) -> None:
        (self.folder / "clear_refs").write_text("5")
        self.idle = self._peak()

    def above_idle(self) -> float:
        return self._peak() - self.idle

    def _peak(self) -> float:
        lines = (self.folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


async def receive(reader: asyncio.StreamReader, size: int) -> str:
    digest = hashlib.sha256()
    while size:
        data = await reader.read(min(size, MIB))
        assert data, f"{size} bytes are missing"
        digest.update(data)
        size -= len(data)
    return digest.hexdigest()


def expected(size: int) -> str:
    digest = hashlib.sha256()
    for _ in range(size // MIB):
        digest.update(PIECE)
    return digest.hexdigest()


async def send_body(write, *, chunked: bool) -> None:
    for _ in range(SIZE // MIB):
        await write(b"%x\r\n%b\r\n" % (MIB, PIECE) if chunked else PIECE)
    if chunked:
        await write(b"0\r\n\r\n")


def framing(*, chunked: bool) -> bytes:
    return b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % SIZE


async def receive_chunks(reader: asyncio.StreamReader) -> str:
    digest = hashlib.sha256()
    while size := int(await reader.readuntil(b"\r\n"), 16):
        digest.update(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return digest.hexdigest()


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
async def test_a_download_keeps_the_process_small(tmp_path, chunked):
    async def answer(_received, peer):
        await peer.send(b"HTTP/1.1 200 OK\r\n" + framing(chunked=chunked))
        await send_body(peer.send, chunked=chunked)

    async with running(Backend(answer=answer)) as backend, served(backend.url, tmp_path) as (process, site):
        memory = Memory(process)
        async with site.visit() as visitor:
            memory.reset()
            await visitor.send(request(b"/"))
            await visitor.head()
            got = await (receive_chunks(visitor.reader) if chunked else receive(visitor.reader, SIZE))

        assert got == expected(SIZE)
        assert memory.above_idle() < MOST_MEBIBYTES


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
async def test_an_upload_keeps_the_process_small(tmp_path, chunked):
    digests = []

    async def answer(_received, peer):
        digests.append(await (receive_chunks(peer.reader) if chunked else receive(peer.reader, SIZE)))
        await peer.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    backend = Backend(answer=answer, reads_body=False)
    async with running(backend), served(backend.url, tmp_path) as (process, site):
        memory = Memory(process)
        async with site.visit() as visitor:
            memory.reset()
            await visitor.send(b"PUT / HTTP/1.1\r\n" + HOST + framing(chunked=chunked))
            await send_body(visitor.send, chunked=chunked)
            reply = await visitor.reply()

        assert (reply.status, digests) == (201, [expected(SIZE)])
        assert memory.above_idle() < MOST_MEBIBYTES


@pytest.mark.parametrize("way", ["down", "up"])
async def test_a_side_that_does_not_read_makes_the_other_one_wait(tmp_path, way):
    """Each of twenty bodies is stopped by what one connection may hold, and not by the end of memory."""
    moved = 0

    async def pour(write) -> None:
        nonlocal moved
        while True:
            await write(PIECE)
            moved += MIB

    async def answer(_received, peer):
        if way == "down":
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
            await pour(peer.send)
        else:
            await asyncio.sleep(60)

    backend = Backend(answer=answer, reads_body=False)
    async with running(backend), served(backend.url, tmp_path) as (process, site):
        memory = Memory(process)
        memory.reset()
        writers, tasks = [], []
        for _ in range(20):
            # The kernel's buffers are not the gateway's.
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port, limit=1024)
            if way == "down":
                writer.write(request(b"/"))
                await reader.readuntil(b"\r\n\r\n")
            else:
                writer.write(b"PUT / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % (1 << 40))
                writer.transport.set_write_buffer_limits(MIB)
                tasks.append(asyncio.create_task(pour(lambda data, writer=writer: sent(writer, data))))
            writers.append(writer)
        await asyncio.sleep(2)
        before = moved
        await asyncio.sleep(0.5)

        assert moved == before
        assert memory.above_idle() < MOST_MEBIBYTES
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()


async def sent(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def test_many_idle_connections_cost_little(tmp_path):
    """2,000 kept connections, or 10,000 under HEADGATE_LONG."""
    import resource

    many = 10_000 if os.environ.get("HEADGATE_LONG") else 2_000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= many + 500, f"this test opens {many} connections: ulimit -Hn must be {many + 500}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    async with running(Backend()) as backend, served(backend.url, tmp_path) as (process, site):
        memory = Memory(process)
        memory.reset()
        visitors = []
        for _ in range(many):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port, limit=4096)
            writer.write(request(b"/"))
            await reader.readuntil(b"\r\n\r\nok")
            visitors.append((reader, writer))
        for reader, writer in visitors:
            writer.write(request(b"/"))
            await reader.readuntil(b"\r\n\r\nok")

        assert len(backend.received) == 2 * many
        assert len(backend.peers) < 10
        assert memory.above_idle() / many < 0.02
        for _, writer in visitors:
            writer.transport.abort()
