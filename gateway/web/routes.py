"""Which path asks for what."""

from aiohttp import web

from gateway.errors import Disabled
from gateway.web import handlers, health, openapi
from gateway.web.cors import let_read, preflight
from gateway.web.keys import CLIENTS
from gateway.web.middleware import answering

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
        app.router.add_route("*", "/headless/{endpoint:.*}", off, name="headless")
        return app
    for endpoint in ENDPOINTS:
        name = endpoint.__name__
        path = f"/headless/{openapi.path_of(name)}"
        app.router.add_post(path, endpoint, name=name)
        app.router.add_route("OPTIONS", path, may)
    app.router.add_get("/headless/openapi.json", openapi.openapi)
    app.router.add_get("/headless/docs", openapi.docs)
    app.router.add_get("/headless/docs/{name}", openapi.docs)
    return app


async def off(_request: web.Request) -> web.Response:
    raise Disabled


async def may(request: web.Request) -> web.Response:
    return preflight(request, request.app[CLIENTS])


def admin() -> web.Application:
    """The listener that is never exposed."""
    app = web.Application()
    app.router.add_get("/livez", health.livez)
    app.router.add_get("/readyz", health.readyz)
    return app
