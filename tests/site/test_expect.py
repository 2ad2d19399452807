"""`Expect: 100-continue` from end to end: the visitor is invited by Drupal, and by nobody else."""

import asyncio

import pytest

from tests.site.backend import OK
from tests.site.visitor import HOST, eventually

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"


async def test_the_body_is_invited_once_drupal_wants_it(site, backend):
    backend.reads_body = False
    go = asyncio.Event()

    async def answer(_received, peer):
        await go.wait()
        await peer.send(CONTINUE)
        assert await peer.reader.readexactly(5) == b"hello"
        await peer.send(OK)

    backend.answer = answer
    async with site.visit() as visitor:
        await visitor.send(HEAD)
        await eventually(lambda: backend.received)
        assert backend.last.named(b"Expect") == [b"100-continue"]
        await asyncio.sleep(0.1)
        assert not visitor.reader._buffer, "invited before Drupal did"
        go.set()
        assert await visitor.head() == CONTINUE
        await visitor.send(b"hello")
        assert (await visitor.reply()).status == 200

        # The connection can be used again.
        backend.reads_body, backend.answer = True, OK
        await visitor.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await visitor.reply()).status == 200


@pytest.mark.parametrize("status", [b"417 Expectation Failed", b"401 Unauthorized", b"413 Content Too Large"])
async def test_a_final_answer_in_its_place_ends_the_exchange(site, backend, status):
    backend.reads_body = False
    backend.answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno"
    async with site.visit() as visitor:
        await visitor.send(HEAD)
        reply = await visitor.reply()

        assert reply.head.startswith(b"HTTP/1.1 " + status)
        assert reply.named(b"Connection") == [b"close"]
        await eventually(backend.peers[0].reader.at_eof, seconds=1)


async def test_a_visitor_who_stops_waiting_may_send_the_body(site, backend):
    """Some servers never send a 100 (RFC 9110 §10.1.1)."""
    async with site.visit() as visitor:
        await visitor.send(HEAD)
        await asyncio.sleep(0.05)
        await visitor.send(b"hello")
        reply = await visitor.reply()

    assert reply.status == 200
    assert backend.last.body == b"hello"


async def test_a_100_that_comes_late_is_not_told_within_the_answer(site, backend):
    backend.answer = CONTINUE + OK
    async with site.visit() as visitor:
        await visitor.send(HEAD + b"hello")
        head = await visitor.head()
        if head == CONTINUE:
            head = await visitor.head()

        assert head.startswith(b"HTTP/1.1 200 OK")


async def test_without_a_body_there_is_nothing_to_expect(site, backend):
    reply = await site.ask(b"GET / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n\r\n")

    assert reply.status == 200
    assert backend.last.named(b"Expect") == []


async def test_http_1_0_has_no_expectations(site, backend):
    await site.ask(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok")

    assert backend.last.named(b"Expect") == []
    assert backend.last.body == b"ok"
