"""Which pages of other origins may read our answers: those of the configured clients, nobody else (Fetch §3.2)."""

from http import HTTPStatus

from aiohttp import web

from gateway.web.headless.clients import Clients
from gateway.web.headless.keys import CLIENTS
from gateway.web.http.keys import language_of
from gateway.web.http.responses import FIXED, refused_by_http

PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Max-Age": "600",
}


def preflight(request: web.Request, clients: Clients) -> web.Response:
    """Answer a browser that asks whether it may; for everybody else OPTIONS is just a wrong method."""
    if not clients.may_read(request.headers.get("Origin", "")):
        return refused_by_http(HTTPStatus.METHOD_NOT_ALLOWED, language_of(request), allow="POST")
    headers = {name: value for name, value in FIXED.items() if name != "Content-Type"}
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers | PREFLIGHT)


async def let_read(request: web.Request, response: web.StreamResponse) -> None:
    """Let the page of a configured client read *response*."""
    clients = request.app[CLIENTS]
    if not clients.origins:
        return
    response.headers["Vary"] = "Origin"
    origin = request.headers.get("Origin", "")
    if clients.may_read(origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Access-Control-Expose-Headers"] = "Retry-After, X-Request-ID"
