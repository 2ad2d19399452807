"""What surrounds every request of the API: its id, its language, one outcome event, and an answer whatever happens."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar, cast

import structlog
from aiohttp import web
from structlog.contextvars import bind_contextvars

from gateway.errors import GatewayError, drop_tracebacks
from gateway.telemetry import durations
from gateway.telemetry.log_setup import where
from gateway.web.http.app_keys import (
    ADDRESSES,
    AUDIT,
    ECHO,
    ERROR_ANSWER,
    EVENTS,
    LANGUAGE,
    LANGUAGES,
    RUNNING,
    language_of,
)
from gateway.web.http.client_ip import ClientGone, audited
from gateway.web.http.endpoint_events import WARNED, EndpointEvents, fields_of
from gateway.web.http.error_answers import problem, refused_by_http

log = structlog.get_logger()

REQUEST_ID = web.RequestKey("request_id", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Response = TypeVar("Response", bound=web.StreamResponse)


@web.middleware
async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every request. If the route has events, the request is for an endpoint: log its outcome once."""
    request[REQUEST_ID] = new_request_id()
    bind_contextvars(request_id=request[REQUEST_ID])
    request[LANGUAGE] = request.app[LANGUAGES].asked_for(request.headers.get("Accept-Language", ""))
    events = request.app[EVENTS].get(request.match_info.route.name or "")
    if events is None:
        return await handler(request)
    task = cast("asyncio.Task[object]", asyncio.current_task())
    running = request.app[RUNNING].tasks
    running.add(task)
    try:
        # The address is read before the first await: it can't be read any more when the client has left.
        address = audited(request.app[ADDRESSES].of(request), request.app[AUDIT].address)
        return await outcome(request, handler, events, address)
    except ClientGone:
        raise ConnectionResetError("client gone") from None
    finally:
        running.discard(task)


async def outcome(
    request: web.Request, handler: Handler, events: EndpointEvents, address: str | None
) -> web.StreamResponse:
    """Return what the handler answers, or the answer for the error that it raised."""
    stopwatch = durations.start()

    def common() -> dict[str, object]:
        return {"address": address, **stopwatch.read()}

    try:
        response = await handler(request)
    except GatewayError as error:
        log_refusal(events, error, common())
        drop_tracebacks(error)
        return error_answer(request, error)
    except (ConnectionError, asyncio.CancelledError):
        log.info(events.client_gone, **common())
        raise
    except Exception as error:  # noqa: BLE001  # the last net: a client must not see what went wrong
        log_bug(events, error, common())
        drop_tracebacks(error)
        return error_answer(request, GatewayError())
    log.info(events.ok, **common())
    return response


def error_answer(request: web.Request, error: GatewayError) -> web.StreamResponse:
    """The answer that the handler has for *error*, or our JSON."""
    of_handler = request.get(ERROR_ANSWER)
    return of_handler(error) if of_handler else problem(error, request.get(ECHO, {}), language_of(request))


def log_refusal(events: EndpointEvents, error: GatewayError, common: Mapping[str, object]) -> None:
    refusal = events.refusal(error)
    if refusal is None:
        # The client gets the error's own answer. The endpoint's table lacks the error, which is a bug.
        log_bug(events, error, common)
        return
    say = log.warning if isinstance(error, WARNED) else log.info
    say(refusal, **common, **fields_of(error))


def log_bug(events: EndpointEvents, error: Exception, common: Mapping[str, object]) -> None:
    # Neither the text of the error nor its traceback: both may quote what a client sent.
    log.error(events.internal, **common, error=type(error).__name__, where=where(error))


def stamp(request: web.BaseRequest, response: Response) -> Response:
    """Put the request's id on the answer."""
    # aiohttp would name itself and Python with their versions.
    response.headers["Server"] = "headgate"
    if "X-Request-ID" not in response.headers:
        response.headers["X-Request-ID"] = request.get(REQUEST_ID) or new_request_id()
    return response


def as_json(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """Pass our own answers through; turn aiohttp's default error pages into our JSON."""
    if "X-Answered-By" in response.headers:
        return response
    return refused_by_http(response.status, language_of(request), allow=response.headers.get("Allow"))


def new_request_id() -> str:
    return secrets.token_hex(8)
