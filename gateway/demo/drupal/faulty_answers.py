"""The answers of the simulated Drupal while it has a Fault."""

import asyncio
from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal.faults import Fault, Kind
from gateway.demo.drupal.nginx import error_page
from gateway.demo.drupal.refusals import unexpected

HALF_A_PAGE = b"<!DOCTYPE html>\n<html><head><title>Something else</title></head><body>"
# How many bytes a reset answer announces and does not send.
MISSING_BYTES = 64
CHUNK = b" " * 65_536


async def answer_without_drupal(request: web.Request, fault: Fault) -> web.StreamResponse:  # noqa: PLR0911  # one per fault
    """Answer a request that Drupal does not process."""
    match fault.kind:
        case Kind.BAD_GATEWAY:
            return error_page(HTTPStatus.BAD_GATEWAY)
        case Kind.GATEWAY_TIMEOUT:
            return error_page(HTTPStatus.GATEWAY_TIMEOUT)
        case Kind.FIREWALL:
            return error_page(HTTPStatus.FORBIDDEN)
        case Kind.HTML:
            return web.Response(body=HALF_A_PAGE + b"</body></html>", content_type="text/html")
        case Kind.REDIRECT:
            return web.Response(status=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": fault.location})
        case Kind.ENDLESS:
            return await _endless(request)
        case _:
            return unexpected({"Cache-Control": "no-cache, private"})


async def lose_or_delay(
    request: web.Request, answer: web.StreamResponse, fault: Fault, closing: asyncio.Event
) -> web.StreamResponse:
    """Lose or delay *answer*, to a request that Drupal has processed."""
    match fault.kind:
        case Kind.SLOW:
            await asyncio.sleep(fault.seconds)
        case Kind.HANG:
            await closing.wait()
            _reset(request)
        case Kind.DROP:
            _reset(request)
        case Kind.STALL:
            await _send_half(request, answer)
            await closing.wait()
            _reset(request)
        case Kind.RESET:
            await _send_half(request, answer)
            _reset(request)
        case _:
            pass
    return answer


async def _send_half(request: web.Request, answer: web.StreamResponse) -> None:
    body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
    half = web.StreamResponse(status=answer.status, reason=answer.reason, headers=answer.headers)
    half.content_length = len(body) + MISSING_BYTES
    await half.prepare(request)
    await half.write(body[: len(body) // 2])


async def _endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "application/json"})
    await answer.prepare(request)
    while request.transport is not None:
        await answer.write(CHUNK)
    return answer


def _reset(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
