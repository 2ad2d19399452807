"""Writes an answer of Drupal's to the visitor: its head byte for byte, and its body in pieces as they come.

aiohttp's own response would add Date, Server and Content-Type, and fold headers that are sent twice.
"""

import asyncio
from collections.abc import Sequence
from typing import cast

from aiohttp import web

from gateway.interfaces.upstream import Answer
from gateway.web.http.connections import reset
from gateway.web.site.forwarding import HTTP_1_0, Framing, framing_of

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class Written(web.StreamResponse):
    """An answer that has been written: aiohttp has nothing left to do but to keep or close the connection."""

    def __init__(self, *, status: int, keep_alive: bool) -> None:
        super().__init__(status=status)
        self._keep_alive = keep_alive
        self._eof_sent = True


async def release(
    request: web.Request, answer: Answer, headers: Sequence[tuple[str, str]], *, may_keep: bool
) -> Written:
    """Write *answer* with these *headers*. If it breaks off, so does the visitor's connection."""
    framing = framing_of(request.method, answer.status, headers, version=request.version)
    # If the visitor is still sending a body, the body would have to be read to its end before the next request.
    keep_alive = may_keep and bool(request.keep_alive) and request.content.is_eof() and not framing.by_close
    head = head_of(answer, headers, connection_headers(request, framing, keep_alive=keep_alive))
    try:
        await write(request, answer, head, framing)
    except BaseException:
        break_off(request)
        raise
    return Written(status=answer.status, keep_alive=keep_alive)


async def write(request: web.Request, answer: Answer, head: bytes, framing: Framing) -> None:
    writer = request.writer
    piece = answer.read_nowait() if framing.has_body else b""
    await writer.write(head + (as_chunk(piece) if framing.chunked else piece))
    if not framing.has_body:
        return
    while piece := await answer.read():
        await writer.write(as_chunk(piece) if framing.chunked else piece)
    if framing.chunked:
        await writer.write(LAST_CHUNK)


def head_of(answer: Answer, headers: Sequence[tuple[str, str]], more: str) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    head = f"HTTP/1.1 {answer.status} {answer.reason}\r\n{''.join(lines)}{more}\r\n"
    expected = len(lines) + more.count("\n") + 2
    if head.count("\n") != expected or head.count("\r") != expected:
        raise ValueError("a line break in a header")
    return head.encode("latin-1")


def connection_headers(request: web.Request, framing: Framing, *, keep_alive: bool) -> str:
    chunked = "Transfer-Encoding: chunked\r\n" if framing.chunked else ""
    if not keep_alive:
        return chunked + "Connection: close\r\n"
    return chunked + ("Connection: keep-alive\r\n" if request.version == HTTP_1_0 else "")


def as_chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def invite(request: web.Request) -> None:
    """Tell the visitor to send the body, unless the answer has begun."""
    if request.transport is not None and not request.writer.output_size:
        cast("asyncio.WriteTransport", request.transport).write(CONTINUE)


def break_off(request: web.Request) -> None:
    """Reset the connection: an answer without its end must never look whole."""
    if request.transport is not None:
        reset(request.transport)
