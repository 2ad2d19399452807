"""What reaches Drupal: every byte of the request, but hop-by-hop headers and those that are the gateway's own."""

import pytest

from tests.site.visitor import HOST, request

OURS = [(b"Host", b"www.example.org"), (b"X-Forwarded-Proto", b"http"), (b"X-Forwarded-For", b"127.0.0.1")]


async def test_a_page_comes_back(site, backend):
    reply = await site.get(b"/node/1?a=b")

    assert reply.head == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    assert reply.body == b"ok"
    assert backend.last.line == b"GET /node/1?a=b HTTP/1.1"
    assert backend.last.headers == OURS


async def test_headers_keep_their_order_their_case_and_their_bytes(site, backend):
    sent = [b"X-b: 1", b"aCCept: a/b", b"x-A: \xff\xc3\xa4 z", b"X-b: 2", b"Empty:", b"Cookie: a=1", b"Cookie: b=2"]

    await site.get(b"/", *sent)

    kept = [(b"X-b", b"1"), (b"aCCept", b"a/b"), (b"x-A", b"\xff\xc3\xa4 z"), (b"X-b", b"2"), (b"Empty", b"")]
    assert backend.last.headers == [*OURS, *kept, (b"Cookie", b"a=1"), (b"Cookie", b"b=2")]


@pytest.mark.parametrize(
    "target",
    [
        b"/a?",
        b"/?",
        b"//a//b",
        b"/a/../b/./c",
        b"/%41%2f%2F%zz%",
        b"/a%0Ab",
        b"/a;b,c=d&e",
        b"/?a=%00&b[]=1",
        b'/\\|"<>^`{}',
    ],
)
async def test_a_target_is_sent_byte_for_byte(site, backend, target):
    await site.get(target)

    assert backend.last.line == b"GET " + target + b" HTTP/1.1"


async def test_a_body_goes_with_its_length(site, backend):
    await site.ask(request(b"/a", b"Content-Type: x/y", method=b"POST", body=b"hello\0world"))

    assert backend.last.body == b"hello\0world"
    assert backend.last.named(b"Content-Length") == [b"11"]
    assert backend.last.named(b"Transfer-Encoding") == []


async def test_a_body_in_chunks_goes_in_chunks(site, backend):
    chunks = b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n"

    reply = await site.ask(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)

    assert reply.status == 200
    assert backend.last.body == b"hello world"
    assert backend.last.named(b"Transfer-Encoding") == [b"chunked"]
    assert b"X-Trailer" not in backend.last.framed


async def test_the_api_stays_beside_it(site, backend):
    for target in (b"/headless", b"/headless/", b"/headless/nothing", b"/%68eadless/nothing"):
        reply = await site.get(target)
        assert reply.status == 404, target
        assert reply.named(b"X-Answered-By") == [b"headgate"]
    assert (await site.get(b"/headless/login")).status == 405
    assert (await site.get(b"/headless/openapi.json")).status == 200
    assert backend.received == []

    assert (await site.get(b"/headlesss")).status == 200
    assert (await site.get(b"/Headless/login")).status == 200
