"""Requests that Drupal's web server could read differently than the gateway does: refused, and the connection closed."""

import asyncio

import pytest

from tests.site.visitor import HOST, eventually

POST = b"POST / HTTP/1.1\r\n" + HOST
GET = b"GET / HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    # Lengths.
    "a length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\nab",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\nab",
    "a negative length": POST + b"Content-Length: -2\r\n\r\nab",
    "a length with a blank": POST + b"Content-Length: 2 2\r\n\r\nab",
    "an empty length": POST + b"Content-Length:\r\n\r\nab",
    "a length in hexadecimal": POST + b"Content-Length: 0x2\r\n\r\nab",
    "a length of 23 digits": POST + b"Content-Length: 99999999999999999999999\r\n\r\nab",
    # Transfer-Encoding.
    "length, then chunks": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks, then length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "chunks twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip in chunks": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks in chunks": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a control character in it": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "quotes around it": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "a parameter of it": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "an empty coding": POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a blank before its colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    # Chunks.
    "no size": CHUNKED + b"zz\r\n\r\n",
    "a negative size": CHUNKED + b"-1\r\n\r\n",
    "a size with 0x": CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "LF after a size": CHUNKED + b"1\na\n0\n\n",
    "LF in an extension": CHUNKED + b"1;a\nb\r\na\r\n0\r\n\r\n",
    "CR in an extension": CHUNKED + b"1;a\rb\r\na\r\n0\r\n\r\n",
    "a chunk that is too long": CHUNKED + b"1\r\nabc\r\n0\r\n\r\n",
    "a blank after a size": CHUNKED + b"1 \r\na\r\n0\r\n\r\n",
    "a size of 17 digits": CHUNKED + b"fffffffffffffffff\r\na\r\n0\r\n\r\n",
    "a length among the trailers": CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n",
    # Headers.
    "a blank before a colon": GET + b"X-A : b\r\n\r\n",
    "a blank in a name": GET + b"X A: b\r\n\r\n",
    "no name": GET + b": b\r\n\r\n",
    "no colon": GET + b"Xab\r\n\r\n",
    "a folded header": GET + b"X-A: b\r\n c\r\n\r\n",
    "a header folded by a tab": GET + b"X-A: b\r\n\tc\r\n\r\n",
    "the first line folded": b"GET / HTTP/1.1\r\n X: y\r\n" + HOST + b"\r\n",
    "LF alone": b"GET / HTTP/1.1\nHost: www.example.org\n\n",
    "LF within the head": GET + b"X: a\nY: b\r\n\r\n",
    "LF at the end of the head": GET + b"\n",
    "CR within a value": GET + b"X: a\rY: b\r\n\r\n",
    "CR at the end of a value": GET + b"X: a\r\r\n\r\n",
    "NUL in a value": GET + b"X: a\0b\r\n\r\n",
    "a control character in a value": GET + b"X: a\x01b\r\n\r\n",
    "DEL in a value": GET + b"X: a\x7fb\r\n\r\n",
    "a name that is not ASCII": GET + b"X-\xe4: b\r\n\r\n",
    "a name with parentheses": GET + b"X(a): b\r\n\r\n",
    "two hosts": GET + HOST + b"\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    # The first line.
    "an absolute target": b"GET http://www.example.org/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "another host's target": b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT www.example.org:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a relative target": b"GET a HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment in the query": b"GET /a?b#c HTTP/1.1\r\n" + HOST + b"\r\n",
    "UTF-8 in the target": b"GET /\xc3\xa4 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a byte that is no UTF-8": b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tab in the target": b"GET /a\tb HTTP/1.1\r\n" + HOST + b"\r\n",
    "a blank in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "a control character in the target": b"GET /a\x01b HTTP/1.1\r\n" + HOST + b"\r\n",
    "NUL in the target": b"GET /a\0b HTTP/1.1\r\n" + HOST + b"\r\n",
    "DEL in the target": b"GET /a\x7fb HTTP/1.1\r\n" + HOST + b"\r\n",
    "CR in the target": b"GET /a\rb HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET / HTTP/0.9\r\n" + HOST + b"\r\n",
    "no version": b"GET /\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\n" + HOST + b"\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a blank after the version": b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    "a blank before the method": b" GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method in small letters": b"get / HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_it_is_refused_and_nothing_that_follows_is_read(site, backend, name):
    async with site.visit() as visitor:
        await visitor.send(MALFORMED[name] + b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n")
        reply = await visitor.reply()
        rest = await visitor.rest()

    assert reply.status == 400
    assert b'"code":"malformed"' in reply.body
    assert rest == b""
    assert [received.line for received in backend.received] == []


@pytest.mark.parametrize("first", [b"", b"5\r\nhello\r\n"], ids=["at once", "after a chunk"])
async def test_a_body_that_turns_out_to_be_malformed_never_looks_whole_to_drupal(site, backend, first):
    async with site.visit() as visitor:
        await visitor.send(CHUNKED + first)
        await asyncio.sleep(0.1)
        await visitor.send(b"zz\r\n")
        reply = await visitor.reply()

        assert await visitor.rest() == b""
    assert reply.status == 400
    await eventually(lambda: all(peer.reader.at_eof() for peer in backend.peers))
    assert backend.received == []


async def test_trace_is_refused_since_it_shows_what_only_drupal_may_see(site, backend):
    reply = await site.ask(b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n")

    assert reply.status == 405
    assert b"GET" in reply.named(b"Allow")[0]
    assert backend.received == []


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"",
        b"www.example.org.",
        b"a@www.example.org",
        b"www.example.org:8080",
        b"www.example.org, b",
        b"example.org",
    ],
)
async def test_another_host_name_is_not_this_site(site, backend, host):
    reply = await site.ask(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")

    assert reply.status == 421
    assert b'"code":"misdirected"' in reply.body
    assert reply.named(b"Connection") == [b"close"]
    assert backend.received == []


@pytest.mark.parametrize("host", [b"www.example.org", b"WWW.Example.ORG", b"www.example.org:80"])
async def test_drupal_gets_the_sites_own_host_however_it_was_written(site, backend, host):
    reply = await site.ask(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")

    assert reply.status == 200
    assert backend.last.named(b"Host") == [b"www.example.org"]
