"""What surrounds every request: its id, its one outcome event, and an answer whatever happens."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import structlog
from aiohttp import web
from structlog.contextvars import bind_contextvars

from gateway.errors import GatewayError, drop_tracebacks
from gateway.telemetry.logs import where
from gateway.web.http.client_ip import Gone, audited
from gateway.web.http.keys import ADDRESSES, AUDIT, ECHO, LANGUAGE, LANGUAGES, RUNNING, language_of
from gateway.web.http.responses import problem, refused_by_http

log = structlog.get_logger()

REQUEST_ID = web.RequestKey("request_id", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Response = TypeVar("Response", bound=web.StreamResponse)

# Refusals that say somebody may be trying; the rest is information.
WARNED = frozenset(
    {
        "internal",
        "store_unavailable",
        "delivery_unavailable",
        "drupal_invalid",
        "drupal_timeout",
        "policy_unreadable",
    }
)


@web.middleware
async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every request of `/headless`, and log its outcome once, as `ENDPOINT.WORD`."""
    request[REQUEST_ID] = new_request_id()
    bind_contextvars(request_id=request[REQUEST_ID])
    request[LANGUAGE] = request.app[LANGUAGES].asked_for(request.headers.get("Accept-Language", ""))
    endpoint = request.match_info.route.name
    if endpoint is None:
        return await handler(request)
    task = cast("asyncio.Task[object]", asyncio.current_task())
    running = request.app[RUNNING].tasks
    running.add(task)
    try:
        # Read before anything is awaited: a client that leaves takes its address along.
        address = audited(request.app[ADDRESSES].of(request), request.app[AUDIT].address)
        return await outcome(request, handler, endpoint, address)
    except Gone:
        raise ConnectionResetError("client gone") from None
    finally:
        running.discard(task)


async def outcome(request: web.Request, handler: Handler, endpoint: str, address: str | None) -> web.StreamResponse:
    """What the handler answers, or what its error stands for."""
    try:
        response = await handler(request)
    except GatewayError as error:
        say = log.warning if error.word in WARNED else log.info
        say(f"{endpoint}.{error.word}", address=address, reason=error.reason)
        drop_tracebacks(error)
        return problem(error, request.get(ECHO, {}), language_of(request))
    except (ConnectionError, asyncio.CancelledError):
        log.info(f"{endpoint}.client_gone", address=address)
        raise
    except Exception as error:  # noqa: BLE001  # the last net: no client may see what it was
        # Neither its text nor its traceback: both may quote what a client sent.
        log.error(f"{endpoint}.internal", address=address, error=type(error).__name__, where=where(error))
        drop_tracebacks(error)
        return problem(GatewayError(), request.get(ECHO, {}), language_of(request))
    if request.method == "POST":
        log.info(f"{endpoint}.ok", address=address)
    return response


def stamp(request: web.BaseRequest, response: Response) -> Response:
    """Put the request's id on the answer."""
    # aiohttp would name itself and Python with their versions.
    response.headers["Server"] = "headgate"
    if "X-Request-ID" not in response.headers:
        response.headers["X-Request-ID"] = request.get(REQUEST_ID) or new_request_id()
    return response


def as_json(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """Ours as it is; what aiohttp would have answered by itself as our JSON."""
    if "X-Answered-By" in response.headers:
        return response
    return refused_by_http(response.status, language_of(request), allow=response.headers.get("Allow"))


def new_request_id() -> str:
    return secrets.token_hex(8)
