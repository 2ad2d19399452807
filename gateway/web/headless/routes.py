"""Which path asks for what."""

from aiohttp import web

from gateway.errors import Disabled
from gateway.web.headless import handlers, openapi
from gateway.web.headless.cors import let_read, preflight
from gateway.web.headless.keys import CLIENTS
from gateway.web.http.middleware import answering

ENDPOINTS = (
    handlers.authenticate,
    handlers.login,
    handlers.resend,
    handlers.status,
    handlers.cancel,
    handlers.logout,
    handlers.totp_enroll,
    handlers.totp_confirm,
    handlers.totp_remove,
    handlers.recovery_codes,
)


def headless(*, enabled: bool) -> web.Application:
    """The API of `/headless`; each route is named like its endpoint. Switched off, every path of it says so."""
    app = web.Application(middlewares=[answering])
    # Called for every answer that was routed, also those of aiohttp's own; malformed HTTP has no page that reads it.
    app.on_response_prepare.append(let_read)
    if not enabled:
        app.router.add_route("*", "/headless/{endpoint:.*}", disabled, name="headless")
        return app
    for endpoint in ENDPOINTS:
        name = endpoint.__name__
        path = f"/headless/{openapi.path_of(name)}"
        app.router.add_post(path, endpoint, name=name)
        app.router.add_route("OPTIONS", path, preflight_of)
    app.router.add_get("/headless/openapi.json", openapi.openapi)
    app.router.add_get("/headless/docs", openapi.docs)
    app.router.add_get("/headless/docs/{name}", openapi.docs)
    return app


async def disabled(_request: web.Request) -> web.Response:
    raise Disabled


async def preflight_of(request: web.Request) -> web.Response:
    return preflight(request, request.app[CLIENTS])
