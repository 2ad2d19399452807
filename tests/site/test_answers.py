"""What reaches the visitor: Drupal's answer byte for byte, but hop-by-hop headers and the framing of the connection."""

import asyncio

import pytest

from tests.site.backend import OK
from tests.site.visitor import HOST, eventually, request

CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n"
)


async def test_headers_keep_their_order_their_case_and_their_bytes(site, backend):
    kept = (
        b"date: x\r\nSET-cookie: b=1; Path=/\r\nX-a: \xff\xc3\xa4\r\nset-Cookie: a=2\r\nVary: Cookie\r\nX-Empty: \r\n"
        b'Vary: Accept\r\nContent-Encoding: gzip\r\nSet-Cookie: b=3\r\nServer: s\r\nContent-Length: 3\r\nETag: W/"1"\r\n'
    )
    backend.answer = b"HTTP/1.1 203 A \xe4 reason\r\n" + kept + b"\r\nabc"

    reply = await site.get(b"/")

    assert reply.head == b"HTTP/1.1 203 A \xe4 reason\r\n" + kept + b"\r\n"
    assert reply.body == b"abc"


async def test_nothing_is_added(site, backend):
    backend.answer = b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx"

    assert (await site.get(b"/")).head == b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n"


async def test_hop_by_hop_headers_stay_behind_and_those_that_connection_names(site, backend):
    backend.answer = (
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop, Content-Length, Set-Cookie\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n"
        b"Proxy-Connection: a\r\nTE: a\r\nTrailer: X\r\nUpgrade: h2c\r\nX-Stays: 1\r\nContent-Length: 2\r\n\r\nok"
    )

    reply = await site.get(b"/")

    assert reply.headers == [(b"X-Stays", b"1"), (b"Content-Length", b"2")]
    assert reply.body == b"ok"


async def test_chunks_go_in_chunks_without_trailers(site, backend):
    backend.answer = CHUNKS

    reply = await site.get(b"/")

    assert reply.body == b"hello world"
    assert reply.named(b"Transfer-Encoding") == [b"chunked"]
    assert b"X-Trailer" not in reply.framed
    assert b"a=b" not in reply.framed


async def test_a_body_that_ends_with_its_connection_goes_in_chunks(site, backend):
    async def answer(_received, peer):
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        peer.close()

    backend.answer = answer
    async with site.visit() as visitor:
        for _ in range(2):
            await visitor.send(request(b"/"))
            reply = await visitor.reply()

            assert (reply.named(b"Transfer-Encoding"), reply.body) == ([b"chunked"], b"hello")


@pytest.mark.parametrize("answer", [CHUNKS, b"HTTP/1.0 200 OK\r\nContent-Length: 11\r\n\r\nhello world"])
async def test_http_1_0_gets_no_chunks(site, backend, answer):
    backend.answer = answer
    async with site.visit() as visitor:
        await visitor.send(b"GET / HTTP/1.0\r\n\r\n")
        reply = await visitor.reply()

        assert reply.body == b"hello world"
        assert reply.named(b"Transfer-Encoding") == []
        assert reply.named(b"Connection") == [b"close"]
        assert await visitor.rest() == b""
    assert backend.last.line == b"GET / HTTP/1.1"


async def test_http_1_0_may_keep_its_connection(site, backend):
    async with site.visit() as visitor:
        for _ in range(2):
            await visitor.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            reply = await visitor.reply()

            assert reply.named(b"Connection") == [b"keep-alive"]


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nETag: x\r\n\r\n"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nETag: x\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\nETag: x\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"),
        (b"DELETE", b"HTTP/1.1 204 No Content\r\nETag: x\r\n\r\n"),
    ],
)
async def test_an_answer_without_a_body_has_none_whatever_its_length_says(site, backend, method, answer):
    backend.answer = answer
    async with site.visit() as visitor:
        for _ in range(3):
            await visitor.send(request(b"/", method=method))
            reply = await visitor.reply(method=method.decode())

            assert reply.head == answer


async def test_a_head_in_chunks_has_no_body_either(site, backend):
    backend.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with site.visit() as visitor:
        for _ in range(2):
            await visitor.send(request(b"/", method=b"HEAD"))

            assert (await visitor.reply(method="HEAD")).head == b"HTTP/1.1 200 OK\r\n\r\n"


async def test_a_range_is_drupals_business(site, backend):
    backend.answer = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10\r\nContent-Length: 3\r\n\r\ncde"

    reply = await site.get(b"/file", b"Range: bytes=2-4", b'If-Range: "x"')

    assert backend.last.named(b"Range") == [b"bytes=2-4"]
    assert backend.last.named(b"If-Range") == [b'"x"']
    assert reply.head + reply.body == backend.answer


async def test_a_redirect_is_the_visitors_business(site, backend):
    backend.answer = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\n\r\n"

    assert (await site.get(b"/")).head == backend.answer
    assert len(backend.received) == 1


async def test_compressed_bodies_stay_compressed(site, backend):
    backend.answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\0\0"

    reply = await site.ask(
        request(b"/", b"Content-Encoding: gzip", b"Accept-Encoding: br", method=b"POST", body=b"\x1f\x8b\1")
    )

    assert reply.body == b"\x1f\x8b\0\0"
    assert backend.last.body == b"\x1f\x8b\1"
    assert backend.last.named(b"Accept-Encoding") == [b"br"]


async def test_interim_answers_are_not_told(site, backend):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nSet-Cookie: early=1\r\n\r\n"
    backend.answer = b"HTTP/1.1 102 Processing\r\n\r\n" + hints * 2 + OK

    reply = await site.get(b"/")

    assert reply.head == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
async def test_an_answer_that_is_no_http_is_a_502(site, backend, answer, events):
    backend.answer = answer

    reply = await site.get(b"/")

    assert reply.status == 502
    assert [event["event"] for event in events if event["event"].startswith("proxy.")] == ["proxy.invalid"]
    await eventually(backend.peers[0].reader.at_eof)


@pytest.mark.parametrize("at", ["with the answer", "a moment later"])
async def test_bytes_that_nobody_asked_for_are_no_answer_to_the_next_request(site, backend, at):
    stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"

    async def answer(received, peer):
        if received.connection:
            await peer.send(OK)
            return
        await peer.send(OK + (stray if at == "with the answer" else b""))
        if at == "a moment later":
            await asyncio.sleep(0.05)
            await peer.send(stray)

    backend.answer = answer
    async with site.visit() as visitor:
        for _ in range(3):
            await visitor.send(request(b"/"))
            assert (await visitor.reply()).body == b"ok"
            await asyncio.sleep(0.1)
    assert len(backend.peers) == 2


async def test_the_answer_of_one_visitor_never_goes_to_another(site, backend):
    async def echo(received, peer):
        await asyncio.sleep(0.001 * (len(backend.received) % 5))
        target = received.line.split(b" ")[1]
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    backend.answer = echo

    async def visit(number: int) -> None:
        async with site.visit() as visitor:
            for turn in range(20):
                target = b"/%d/%d" % (number, turn)
                await visitor.send(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
                assert (await visitor.reply()).body == target

    await asyncio.gather(*(visit(number) for number in range(20)))
