"""Whatever a visitor sends: it reaches Drupal byte for byte, without hop-by-hop headers and with ours, or not at all."""

import asyncio
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.site.backend import Backend, running
from tests.site.conftest import a_site

OURS = [(b"Host", b"www.example.org"), (b"X-Forwarded-Proto", b"http"), (b"X-Forwarded-For", b"127.0.0.1")]
# RFC 9110 §5.5 and §5.6.2.
TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LETTERS = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DROPPED = {
    *(b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te", b"trailer", b"upgrade"),
    *(b"host", b"forwarded", b"x-real-ip", b"proxy"),
    *(b"x-http-method-override", b"x-http-method", b"x-method-override", b"expect"),
}
# aiohttp refuses these when they come twice, and the first also for itself.
ONCE = {
    b"sec-websocket-key1",
    b"content-location",
    b"content-range",
    b"content-type",
    b"etag",
    b"max-forwards",
    b"server",
    b"user-agent",
}

interesting = st.sampled_from(
    sorted(DROPPED | {b"cookie", b"x-forwarded-for", b"X-FORWARDED-Proto", b"x_real_ip", b"Authorization", b"accept"})
)
tokens = st.binary(min_size=1, max_size=30).map(lambda data: bytes(TOKEN[byte % len(TOKEN)] for byte in data))
names = (interesting | tokens).filter(lambda name: name.lower() not in {b"content-length", b"transfer-encoding", *ONCE})
values = st.binary(max_size=60).map(
    lambda data: bytes(byte for byte in data if (byte >= 0x20 and byte != 0x7F) or byte == 9).strip(b" \t")
)
printable = st.binary(max_size=80).map(lambda data: bytes(0x21 + byte % 94 for byte in data))
targets = printable.map(lambda rest: b"/" + rest.replace(b"#", b"")).filter(
    lambda target: not target.startswith(b"/headless")
)
methods = st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"PROPFIND", b"REPORT"])
bodies = st.none() | st.binary(max_size=3000) | st.lists(st.binary(min_size=1, max_size=400), max_size=8)


class Served:
    """One gateway and one Drupal for every example, in a thread of their own."""

    def __init__(self) -> None:
        self.ready, self.done = threading.Event(), asyncio.Event()
        self.thread = threading.Thread(target=asyncio.run, args=(self.serve(),))
        self.thread.start()
        assert self.ready.wait(10)

    async def serve(self) -> None:
        async with running(Backend()) as self.backend, a_site(self.backend.url) as self.site:
            self.loop = asyncio.get_running_loop()
            self.ready.set()
            await self.done.wait()

    def ask(self, data: bytes, method: str):
        async def asking():
            before = len(self.backend.received)
            reply = await self.site.ask(data, method=method)
            return reply, self.backend.received[before:]

        return asyncio.run_coroutine_threadsafe(asking(), self.loop).result(20)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.done.set)
        self.thread.join(10)


@pytest.fixture(scope="module")
def served():
    made = Served()
    yield made
    made.end()


def is_kept(name: bytes) -> bool:
    lower = name.lower()
    return not name.translate(None, LETTERS) and lower not in DROPPED and not lower.startswith(b"x-forwarded-")


def framed(body: bytes | list[bytes] | None) -> tuple[list[bytes], bytes, bytes]:
    """The header of a body, what is sent, and what it means."""
    if body is None:
        return [], b"", b""
    if isinstance(body, bytes):
        return [b"Content-Length: %d" % len(body)], body, body
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in body)
    return [b"Transfer-Encoding: chunked"], chunks + b"0\r\n\r\n", b"".join(body)


@settings(max_examples=300, deadline=None)
@example(b"GET", b"/", [(b"-", b"")], None)
@given(methods, targets, st.lists(st.tuples(names, values), max_size=12), bodies)
def test_what_reaches_drupal_is_what_was_sent(served, method, target, headers, body):
    framing, sent, meant = framed(body)
    options = {
        option.strip(b" \t").lower()
        for name, value in headers
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: www.example.org"]
    lines += [name + b": " + value for name, value in headers if name.lower() not in (b"host", b"expect", b"upgrade")]

    reply, received = served.ask(b"\r\n".join([*lines, *framing, b"", b""]) + sent, "GET")

    assert reply.status == 200, reply
    (got,) = received
    kept = [
        (name, value)
        for name, value in headers
        if is_kept(name) and name.lower() not in options - {b"keep-alive", b"close", b"upgrade"}
    ]
    length = [(b"Content-Length", b"%d" % len(body))] if isinstance(body, bytes) else []
    chunked = [(b"Transfer-Encoding", b"chunked")] if isinstance(body, list) else []
    assert got.line == method + b" " + target + b" HTTP/1.1"
    assert got.headers == [*OURS, *kept, *length, *chunked]
    assert got.body == meant


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"GET /",
            b"GET / HTTP/1.1\r\nHost: www.example.org\r\n",
            b"POST / HTTP/1.1\r\nHost: www.example.org\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]
    ),
)
def test_no_bytes_make_a_500(served, data, before):
    async def asking():
        async with served.site.visit() as visitor:
            await visitor.send(before + data)
            visitor.writer.write_eof()
            return await visitor.rest()

    try:
        answer = asyncio.run_coroutine_threadsafe(asking(), served.loop).result(20)
    except ConnectionResetError:
        answer = b""

    assert not answer.startswith(b"HTTP/1.1 500")
