"""CORS: only pages on the origins of the configured clients may read answers (Fetch §3.2)."""

from http import HTTPStatus

from aiohttp import web

from gateway.web.headless.app_keys import CLIENTS
from gateway.web.headless.clients import Clients
from gateway.web.http.app_keys import language_of
from gateway.web.http.error_answers import refused_by_http
from gateway.web.http.responses import FIXED

PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Max-Age": "600",
}


def preflight(request: web.Request, clients: Clients) -> web.Response:
    """Answer a preflight request for an origin of a client; for any other request OPTIONS is a wrong method."""
    if not clients.may_read(request.headers.get("Origin", "")):
        return refused_by_http(HTTPStatus.METHOD_NOT_ALLOWED, language_of(request), allow="POST")
    headers = {name: value for name, value in FIXED.items() if name != "Content-Type"}
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers | PREFLIGHT)


async def allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    """Let a page read *response* if it is on an origin of a client.

    No page may read the code page, which holds a form token.
    """
    clients = request.app[CLIENTS]
    if not clients.origins or request.path.startswith("/headless/challenge"):
        return
    response.headers["Vary"] = "Origin"
    origin = request.headers.get("Origin", "")
    if clients.may_read(origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Access-Control-Expose-Headers"] = "Retry-After, X-Request-ID"
