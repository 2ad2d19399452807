"""Processes of a benchmark: each its own, each saying its ports on its first line, and what they cost."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop


@asynccontextmanager
async def started(*command: object, log: Path) -> AsyncGenerator[tuple[int, dict[str, int]]]:
    """`python -m …` until the end of the block; yields its process id and the ports that it said."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=errors
        )
    try:
        assert process.stdout
        async with asyncio.timeout(15):
            line = await process.stdout.readline()
        assert line, log.read_text()
        yield process.pid, json.loads(line)
    finally:
        await end(process)


@asynccontextmanager
async def headgate(configuration: dict[str, object], *, folder: Path) -> AsyncGenerator[int]:
    """`headgate serve` with its events in a file; yields its process id once it answers."""
    port = configuration["listen"]["port"]  # type: ignore[index]
    path, log = folder / f"gateway-{port}.yaml", folder / f"gateway-{port}.log"
    path.write_text(json.dumps(configuration))
    with log.open("ab") as events:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--config", str(path)),
            stderr=events,
            env={"PATH": os.environ["PATH"]},
        )
    try:
        async with asyncio.timeout(15):
            while not await answers(port):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.02)
        yield process.pid
    finally:
        await end(process)


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have used so far: clock_getcpuclockid(3), in nanoseconds where /proc has ticks."""
    return time.clock_gettime((~pid << 3) | 2)


def rss_mebibytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def say_and_serve(**protocols: Callable[[], asyncio.Protocol]) -> None:
    """Listen with each protocol on a free port, say the ports by their names, and go on until killed."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        servers = {name: await loop.create_server(protocol, "127.0.0.1", 0) for name, protocol in protocols.items()}
        print(json.dumps({name: server.sockets[0].getsockname()[1] for name, server in servers.items()}), flush=True)
        await asyncio.Event().wait()

    uvloop.run(serve())
