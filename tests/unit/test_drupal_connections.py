"""A kept connection to Drupal on which bytes wait is not used again."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest
import uvloop

from gateway.drupal.connections import StrictConnector

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown"
STRAY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"


async def bodies(between: Callable[[asyncio.StreamWriter], object]) -> tuple[list[bytes], int]:
    """The bodies of two answers in turn, and the number of connections; *between* them, the server's side acts."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    read = []
    async with server, aiohttp.ClientSession(connector=StrictConnector(keepalive_timeout=30)) as http:
        for number in range(2):
            if number:
                between(writers[0])
            async with http.post(url) as response:
                read.append(await response.read())
    return read, len(writers)


def leave_unread(writer: asyncio.StreamWriter) -> None:
    # Past the event loop, which reads it only after the second request has looked for a connection.
    os.write(writer.get_extra_info("socket").fileno(), STRAY)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """The loops' transports and sockets differ."""
    return asyncio.run if request.param == "asyncio" else uvloop.run


def test_bytes_that_wait_to_be_read_are_no_answer(run):
    assert run(bodies(leave_unread)) == ([b"own", b"own"], 2)


def test_a_connection_without_them_is_used_again(run):
    assert run(bodies(lambda _: None)) == ([b"own", b"own"], 1)
