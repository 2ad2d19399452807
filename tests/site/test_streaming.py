"""Pieces pass as they come, and both sides learn at once when the other one has gone."""

import asyncio
import contextlib
import time

import pytest

from tests.site.backend import OK, read_body
from tests.site.conftest import a_site
from tests.site.visitor import HOST, eventually, request

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
ENDLESS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


async def test_pieces_of_an_answer_come_without_delay(site, backend):
    go = asyncio.Queue()

    async def answer(_received, peer):
        await peer.send(ENDLESS)
        while piece := await go.get():
            await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await peer.send(b"0\r\n\r\n")

    backend.answer = answer
    async with site.visit() as visitor:
        await visitor.send(request(b"/events"))
        await visitor.head()
        for number in range(20):
            event = b"data: %d\n\n" % number
            begun = time.monotonic()
            go.put_nowait(event)
            async with asyncio.timeout(2):
                assert await visitor.reader.readexactly(len(event) + 5) == b"%x\r\n%b\r\n" % (len(event), event)
            assert time.monotonic() - begun < 0.5
        go.put_nowait(b"")
        async with asyncio.timeout(2):
            assert await visitor.reader.readexactly(5) == b"0\r\n\r\n"


async def test_pieces_of_a_request_come_without_delay(site, backend):
    backend.reads_body = False
    got = asyncio.Queue()

    async def answer(_received, peer):
        for _ in range(5):
            got.put_nowait(await peer.reader.readexactly(1))
        await peer.send(OK)

    backend.answer = answer
    async with site.visit() as visitor:
        await visitor.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n")
        for letter in b"hello":
            await visitor.send(bytes([letter]))
            async with asyncio.timeout(1):
                assert await got.get() == bytes([letter])
        assert (await visitor.reply()).status == 200


@pytest.mark.parametrize("how", ["closes", "resets"])
@pytest.mark.parametrize("when", ["before the answer", "within the answer", "within the body"])
async def test_a_visitor_who_leaves_ends_the_request_at_drupal(site, backend, how, when):
    backend.reads_body = False

    async def answer(_received, peer):
        if when == "within the answer":
            await peer.send(ENDLESS + b"1\r\na\r\n")
        await peer.gone()

    backend.answer = answer
    async with site.visit() as visitor:
        if when == "within the body":
            await visitor.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhe")
        else:
            await visitor.send(request(b"/"))
        if when == "within the answer":
            await visitor.head()
        await eventually(lambda: backend.received)
        if how == "closes":
            visitor.writer.close()
        else:
            visitor.reset()

        await eventually(backend.peers[0].reader.at_eof, seconds=1)


@pytest.mark.parametrize(
    "begun",
    [
        ENDLESS + b"5\r\nhello\r\n",
        ENDLESS + b"5\r\nhel",
        HEAD + b"Content-Length: 10\r\n\r\nhello",
    ],
    ids=["between chunks", "within a chunk", "within a length"],
)
@pytest.mark.parametrize("how", ["closes", "resets"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_an_answer_that_breaks_off_never_looks_whole(site, backend, events, begun, how, version):
    ready = asyncio.Event()

    async def answer(_received, peer):
        await peer.send(begun)
        await ready.wait()
        if how == "closes":
            peer.close()
        else:
            peer.reset()

    backend.answer = answer
    async with site.visit() as visitor:
        await visitor.send(b"GET / HTTP/" + version + b"\r\n" + HOST + b"\r\n")
        await visitor.head()
        ready.set()
        # A reset, so that even a body which ends with its connection is known to be broken.
        with pytest.raises(ConnectionResetError):
            await visitor.rest()

    assert [event["event"] for event in events if event["event"].startswith("proxy.")] == ["proxy.broken"]


async def test_an_answer_that_pauses_for_too_long_is_broken_off(backend, events):
    async def answer(_received, peer):
        await peer.send(ENDLESS + b"1\r\na\r\n")
        await peer.gone()

    backend.answer = answer
    async with a_site(backend.url, proxy={"idle_seconds": 0.3}) as site, site.visit() as visitor:
        await visitor.send(request(b"/"))
        await visitor.head()
        with pytest.raises(ConnectionResetError):
            await visitor.rest()
        await eventually(backend.peers[0].reader.at_eof, seconds=1)

    assert [event["reason"] for event in events if event["event"] == "proxy.broken"] == ["idle"]


async def test_a_visitor_who_pauses_within_a_body_for_too_long_is_refused(backend):
    async with a_site(backend.url, proxy={"idle_seconds": 0.3}) as site, site.visit() as visitor:
        await visitor.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhe")

        assert (await visitor.reply()).status == 400
        await eventually(backend.peers[0].reader.at_eof, seconds=1)


async def test_an_answer_may_come_before_the_body_has_ended(site, backend):
    """As a 413 does: the visitor gets it, and both connections end, since nobody knows what follows."""
    backend.reads_body = False
    backend.answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
    async with site.visit() as visitor:
        await visitor.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\nhe")
        reply = await visitor.reply()

        assert (reply.status, reply.body) == (413, b"no")
        assert reply.named(b"Connection") == [b"close"]
        await eventually(backend.peers[0].reader.at_eof, seconds=1)


async def test_drupal_may_answer_while_the_body_still_comes(site, backend):
    backend.reads_body = False

    async def answer(received, peer):
        await peer.send(ENDLESS)
        for _ in range(5):
            letter = await peer.reader.readexactly(1)
            await peer.send(b"1\r\n%b\r\n" % letter.upper())
        await peer.send(b"0\r\n\r\n")

    backend.answer = answer
    async with site.visit() as visitor:
        await visitor.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n")
        await visitor.head()
        for letter in b"hello":
            await visitor.send(bytes([letter]))
            async with asyncio.timeout(1):
                assert await visitor.reader.readexactly(6) == b"1\r\n%b\r\n" % bytes([letter]).upper()


async def test_slow_readers_and_slow_writers_hold_up_nobody_else(site, backend):
    backend.reads_body = False
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + bytes(8_000_000)

    async def answer(received, peer):
        if received.line.startswith(b"GET /big"):
            await peer.send(big)
        else:
            await read_body(peer.reader, received.head)
            await peer.send(OK)

    backend.answer = answer
    async with asyncio.timeout(20):
        slow = []
        for _ in range(20):
            reader = await asyncio.open_connection("127.0.0.1", site.port, limit=1024)
            reader[1].write(request(b"/big"))
            writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer[1].write(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 500000\r\n\r\nslow")
            slow += [reader[1], writer[1]]
        await eventually(lambda: len(backend.received) == 40)

        for _ in range(20):
            begun = time.monotonic()
            assert (await site.get(b"/")).status == 200
            assert time.monotonic() - begun < 0.5
        for writer in slow:
            writer.transport.abort()


async def test_drupal_that_closes_while_it_gets_a_body_is_away(site, backend):
    backend.reads_body = False

    async def answer(_received, peer):
        await peer.reader.readexactly(1)
        peer.reset()

    backend.answer = answer
    async with site.visit() as visitor:
        await visitor.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100000000\r\n\r\nx")
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                await visitor.send(bytes(1 << 20))
                await asyncio.sleep(0.01)
        reply = await visitor.reply()

        assert reply.status == 503
        assert reply.named(b"Connection") == [b"close"]


async def test_drupal_that_does_not_read_a_body_is_given_up(backend, events):
    backend.reads_body = False

    async def answer(_received, peer):
        await asyncio.sleep(3)

    backend.answer = answer
    async with a_site(backend.url, proxy={"idle_seconds": 0.5}) as site, site.visit() as visitor:
        await visitor.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100000000\r\n\r\n")
        sending = asyncio.create_task(visitor.send(bytes(50 << 20)))
        reply = await visitor.reply()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

        assert reply.status == 504
    assert [event["reason"] for event in events if event["event"] == "proxy.timeout"] == ["upload"]


async def test_a_body_that_is_being_passed_on_is_not_closed_for_a_new_connection(backend):
    async with a_site(backend.url, listen={"max_connections": 2}) as site, site.visit() as visitor:
        await visitor.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nhe")
        await eventually(lambda: backend.peers)
        await visitor.send(b"ll")
        await asyncio.sleep(0.05)
        for _ in range(3):
            await site.get(b"/")
        async with site.visit() as idle:
            await idle.send(request(b"/"))
            await idle.reply()
            assert (await site.get(b"/")).status == 200
        await visitor.send(b"o worl")

        assert (await visitor.reply()).status == 200
