"""Connections on both sides: kept, pipelined, dead, and many of them idle."""

import asyncio

import pytest

from tests.site.backend import OK, Backend, running
from tests.site.conftest import a_site
from tests.site.visitor import HOST, request


async def test_both_sides_keep_their_connections(site, backend):
    async with site.visit() as visitor:
        for _ in range(5):
            await visitor.send(request(b"/"))
            await visitor.reply()
            await visitor.send(request(b"/", method=b"POST", body=b"hello"))
            await visitor.reply()
    async with site.visit() as visitor:
        await visitor.send(request(b"/"))
        await visitor.reply()

    assert len(backend.received) == 11
    assert len(backend.peers) == 1


async def test_pipelined_requests_are_answered_in_their_order(site, backend):
    async def echo(received, peer):
        target = received.line.split(b" ")[1]
        await asyncio.sleep(0.05 if target == b"/0" else 0)
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    backend.answer = echo
    async with site.visit() as visitor:
        post = b"POST /2 HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
        chunked = b"POST /4 HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        await visitor.send(request(b"/0") + request(b"/1") + post + request(b"/3") + chunked + request(b"/5"))

        assert [(await visitor.reply()).body for _ in range(6)] == [b"/%d" % number for number in range(6)]
    assert [received.body for received in backend.received] == [b"", b"", b"hello", b"", b"abc", b""]


async def test_a_request_to_close_closes_the_visitors_side_only(site, backend):
    async with site.visit() as visitor:
        await visitor.send(request(b"/", b"Connection: close"))
        assert (await visitor.reply()).named(b"Connection") == [b"close"]
        assert await visitor.rest() == b""
    await site.get(b"/")

    assert len(backend.peers) == 1


def dies_after_its_first_answer(backend, deaths: list[bytes]):
    """A web server that closes each kept connection just when the next request comes on it."""

    async def answer(received, peer):
        if peer.number == 0 and len(backend.received) > 1:
            deaths.append(received.line)
            peer.close()
            await peer.writer.wait_closed()
            raise ConnectionResetError
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    return answer


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"])
async def test_a_dead_kept_connection_is_tried_again_for_an_idempotent_request(site, backend, method):
    deaths: list[bytes] = []
    backend.answer = dies_after_its_first_answer(backend, deaths)
    await site.get(b"/")

    reply = await site.ask(request(b"/", method=method), method=method.decode())

    assert reply.status == 200
    assert len(deaths) == 1
    assert len(backend.received) == 3


@pytest.mark.parametrize(
    ("method", "body"), [(b"POST", b""), (b"PATCH", b""), (b"POST", b"x"), (b"PUT", b"x"), (b"GET", b"x")]
)
async def test_no_other_request_is_sent_twice(site, backend, method, body):
    deaths: list[bytes] = []
    backend.answer = dies_after_its_first_answer(backend, deaths)
    await site.get(b"/")

    reply = await site.ask(request(b"/", method=method, body=body))

    assert reply.status == 503
    assert len(backend.received) == 2


async def test_a_new_connection_that_dies_is_not_tried_again(site, backend):
    async def answer(_received, peer):
        peer.close()

    backend.answer = answer

    assert (await site.get(b"/")).status == 503
    assert len(backend.received) == 1


async def test_an_answer_that_has_begun_is_not_tried_again(site, backend):
    async def answer(received, peer):
        if len(backend.received) == 1:
            await peer.send(OK)
        else:
            await peer.send(b"HTTP/1.1 200")
            peer.close()

    backend.answer = answer
    await site.get(b"/")

    assert (await site.get(b"/")).status == 503
    assert len(backend.received) == 2


async def test_a_connection_that_drupal_has_closed_is_not_used(site, backend):
    await site.get(b"/")
    backend.peers[0].close()
    await asyncio.sleep(0.05)

    reply = await site.ask(request(b"/", method=b"POST", body=b"once"))

    assert reply.status == 200
    assert [received.connection for received in backend.received] == [0, 1]


async def test_a_declined_upgrade_closes_the_visitors_connection(site, backend):
    """aiohttp does not parse what follows, so nothing of it may reach Drupal."""
    async with site.visit() as visitor:
        await visitor.send(request(b"/", b"Connection: Upgrade", b"Upgrade: h2c") + request(b"/smuggled"))
        reply = await visitor.reply()

        assert reply.named(b"Connection") == [b"close"]
        assert await visitor.rest() == b""
    assert [received.line for received in backend.received] == [b"GET / HTTP/1.1"]
    assert backend.last.named(b"Upgrade") == []
    assert backend.last.named(b"Connection") == []


async def test_connections_above_the_limit_wait_and_one_network_gets_a_quarter():
    async def answer(_received, peer):
        await asyncio.sleep(0.2)
        await peer.send(OK)

    async with running(Backend(answer=answer)) as backend, a_site(backend.url, proxy={"max_concurrent": 8}) as site:
        replies = await asyncio.gather(*(site.get(b"/%d" % number) for number in range(4)))
        assert [reply.status for reply in replies] == [200] * 4
        assert len(backend.peers) == 2

        replies = await asyncio.gather(*(site.get(b"/%d" % number) for number in range(20)))
        assert sorted({reply.status for reply in replies}) == [200, 503]
        assert all(reply.named(b"Retry-After") for reply in replies if reply.status == 503)
        assert len(backend.peers) == 2
