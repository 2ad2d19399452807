"""What is left of a request once it is over: nothing that has to wait for the garbage collector (promise 13)."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

import pytest

from gateway.web.http.connections import MOST_WAITING, Connection
from tests.wire import line, request
from tests.world import KEY

WRONG = {"username": "alice", "password": "a-wrong-password", "apiKey": KEY}
WHOLE = request("authenticate", WRONG)
ENDS = {
    "a refused password": WHOLE,
    "a body that breaks off": WHOLE[:-1],
    "a chunk that breaks off": request("authenticate", b"fff\r\n{", "Transfer-Encoding: chunked", length=-1),
    "nothing there": request("nowhere", WRONG),
    "no HTTP": b"no HTTP\r\n\r\n" + WHOLE,
    "too many at once": request("status", {}) * (MOST_WAITING + 4),
    "an upgrade that nobody offers": request("nowhere", WRONG, "Connection: upgrade", "Upgrade: websocket")
    + b"x" * 999,
    "trailers without end": request(
        "authenticate", b"1\r\n{\r\n0\r\n" + b"A: b\r\n" * 9_000, "Transfer-Encoding: chunked", length=-1
    ),
}


@pytest.fixture
def store():
    return {"kind": "memory"}


@contextmanager
def garbage() -> Iterator[list[object]]:
    """What only the garbage collector can free of what happens in the block."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.extend(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("sent", ENDS.values(), ids=ENDS)
async def test_no_request_leaves_what_only_the_garbage_collector_could_free(world, frontend, sent):
    assert (await frontend.authenticate("bob")).status == 200
    with garbage() as left:
        async with line(frontend.url) as open_line:
            await open_line.send(sent)
            await asyncio.sleep(1)
        await asyncio.sleep(0.2)

    # Frames hold what was sent, passwords too; a connection holds its last request.
    assert not [each for each in left if isinstance(each, (TracebackType, FrameType, Connection))]
