"""WebSockets: tunnelled both ways after a handshake that both sides have understood, and nothing else is."""

import asyncio
from base64 import b64encode
from hashlib import sha1

import aiohttp
import pytest
from aiohttp import web

from tests.site.conftest import a_site
from tests.site.visitor import eventually, request

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b64encode(sha1(KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
HANDSHAKE = [
    b"Connection: keep-alive, Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: " + KEY,
    b"Sec-WebSocket-Protocol: chat",
]
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    + ACCEPT
    + b"\r\nX-Own: 1\r\n\r\n"
)


def echoes(answer: bytes):
    async def serve(_received, peer):
        await peer.send(answer)
        while data := await peer.reader.read(65536):
            await peer.send(data)
        peer.close()

    return serve


async def test_bytes_go_both_ways(site, backend):
    backend.answer = echoes(SWITCHED + b"early")
    async with site.visit() as visitor:
        await visitor.send(request(b"/chat", *HANDSHAKE) + b"sent with it")
        head = await visitor.head()

        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b"\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n" in head
        assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in head
        assert b"\r\nX-Own: 1\r\n" in head
        async with asyncio.timeout(5):
            assert await visitor.reader.readexactly(17) == b"earlysent with it"
            for _ in range(10):
                await visitor.send(b"\0\xffGET / HTTP/1.1\r\n\r\n")
                assert await visitor.reader.readexactly(20) == b"\0\xffGET / HTTP/1.1\r\n\r\n"
    assert backend.last.named(b"Connection") == [b"Upgrade"]
    assert backend.last.named(b"Upgrade") == [b"websocket"]
    assert backend.last.named(b"Sec-WebSocket-Key") == [KEY]
    assert backend.last.named(b"Sec-WebSocket-Protocol") == [b"chat"]
    await eventually(backend.peers[0].reader.at_eof, seconds=1)


async def test_much_goes_both_ways(site, backend):
    backend.answer = echoes(SWITCHED)
    much = bytes(range(256)) * 40_000
    async with site.visit() as visitor:
        await visitor.send(request(b"/chat", *HANDSHAKE))
        await visitor.head()
        sending = asyncio.create_task(visitor.send(much))
        async with asyncio.timeout(20):
            assert await visitor.reader.readexactly(len(much)) == much
        await sending


async def test_a_side_that_does_not_read_makes_the_other_one_wait(site, backend):
    taken = 0

    async def floods(_received, peer):
        nonlocal taken
        await peer.send(SWITCHED)
        while True:
            await peer.send(bytes(65536))
            taken += 65536

    backend.answer = floods
    async with site.visit(limit=1024) as visitor:
        await visitor.send(request(b"/chat", *HANDSHAKE))
        await visitor.head()
        await asyncio.sleep(0.5)
        before = taken
        await asyncio.sleep(0.3)

        assert taken == before
        # The rest is in the buffers of the kernel.
        assert taken < 16 << 20


async def test_it_ends_for_both_when_drupal_ends_it(site, backend):
    async def answer(_received, peer):
        await peer.send(SWITCHED)
        await peer.send(b"bye")
        peer.close()

    backend.answer = answer
    async with site.visit() as visitor:
        await visitor.send(request(b"/chat", *HANDSHAKE))
        await visitor.head()

        assert await visitor.rest() == b"bye"


WITHOUT = {
    "a key": HANDSHAKE[:3],
    "a whole key": [*HANDSHAKE[:3], b"Sec-WebSocket-Key: dGhl"],
    "one key": [*HANDSHAKE, b"Sec-WebSocket-Key: " + KEY],
    "a version": [HANDSHAKE[0], HANDSHAKE[1], HANDSHAKE[3]],
    "the right version": [HANDSHAKE[0], HANDSHAKE[1], b"Sec-WebSocket-Version: 8", HANDSHAKE[3]],
    "the right protocol": [HANDSHAKE[0], b"Upgrade: h2c", *HANDSHAKE[2:]],
    "one protocol": [HANDSHAKE[0], b"Upgrade: websocket, h2c", *HANDSHAKE[2:]],
    "Connection": HANDSHAKE[1:],
}


@pytest.mark.parametrize("what", WITHOUT)
async def test_no_handshake_no_upgrade(site, backend, what):
    async with site.visit() as visitor:
        await visitor.send(request(b"/chat", *WITHOUT[what]))

        assert (await visitor.reply()).status == 200
    assert backend.last.named(b"Upgrade") == []
    assert backend.last.named(b"Connection") == []


@pytest.mark.parametrize(
    "answer",
    [
        SWITCHED.replace(ACCEPT, b64encode(bytes(20))),
        SWITCHED.replace(b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n", b""),
        SWITCHED.replace(b"X-Own: 1", b"Sec-WebSocket-Accept: " + ACCEPT),
        SWITCHED.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
    ],
)
async def test_an_answer_to_another_handshake_opens_nothing(site, backend, answer):
    backend.answer = echoes(answer)
    async with site.visit() as visitor:
        await visitor.send(request(b"/chat", *HANDSHAKE) + b"GET /smuggled HTTP/1.1\r\n\r\n")
        reply = await visitor.reply()

        assert reply.status == 502
        assert await visitor.rest() == b""
    await eventually(backend.peers[0].reader.at_eof, seconds=1)


async def test_a_declined_handshake_is_an_answer_and_nothing_that_was_sent_with_it_is_a_request(site, backend):
    backend.answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
    async with site.visit() as visitor:
        await visitor.send(request(b"/chat", *HANDSHAKE) + request(b"/smuggled"))
        reply = await visitor.reply()

        assert (reply.status, reply.body, reply.named(b"Connection")) == (403, b"no", [b"close"])
        assert await visitor.rest() == b""
    assert len(backend.received) == 1


async def test_a_real_client_and_a_real_server_understand_each_other():
    async def chat(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket

    app = web.Application()
    app.router.add_get("/chat", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    try:
        async with (
            a_site(f"http://127.0.0.1:{runner.addresses[0][1]}") as site,
            aiohttp.ClientSession(headers={"Host": "www.example.org"}) as http,
            http.ws_connect(f"http://127.0.0.1:{site.port}/chat") as socket,
        ):
            for number in range(50):
                await socket.send_str(f"hello {number}" * 1000)
                assert await socket.receive_str() == f"HELLO {number}" * 1000
            await socket.close()
            assert socket.close_code == 1000
    finally:
        await runner.cleanup()
