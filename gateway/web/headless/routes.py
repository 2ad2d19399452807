"""Which path is served by which handler: `ENDPOINTS` is the list of the API's endpoints."""

import functools

from aiohttp import web

from gateway.errors import Disabled
from gateway.web.headless import bodies, handlers, log_events, openapi
from gateway.web.headless.app_keys import CLIENTS
from gateway.web.headless.cors import allow_origin, preflight
from gateway.web.headless.docs_page import docs
from gateway.web.headless.endpoint import Endpoint
from gateway.web.http.app_keys import EVENTS
from gateway.web.http.middleware import answering
from gateway.web.http.responses import FIXED, as_text

ENDPOINTS = (
    Endpoint(
        handlers.authenticate, bodies.Authenticate, (bodies.CodeNeeded, bodies.NoCodeNeeded), log_events.AUTHENTICATE
    ),
    Endpoint(handlers.login, bodies.Login, (bodies.LoginAnswer,), log_events.LOGIN),
    Endpoint(handlers.resend, bodies.Resend, (bodies.ResendAnswer,), log_events.RESEND),
    Endpoint(handlers.status, bodies.Status, (bodies.StatusAnswer,), log_events.STATUS),
    Endpoint(handlers.cancel, bodies.Cancel, (bodies.CancelAnswer,), log_events.CANCEL),
    Endpoint(handlers.logout, bodies.Logout, (bodies.LogoutAnswer,), log_events.LOGOUT),
    Endpoint(handlers.totp_enroll, bodies.TotpEnroll, (bodies.TotpEnrollAnswer,), log_events.TOTP_ENROLL),
    Endpoint(handlers.totp_confirm, bodies.TotpConfirm, (bodies.TotpConfirmAnswer,), log_events.TOTP_CONFIRM),
    Endpoint(handlers.totp_remove, bodies.TotpRemove, (bodies.TotpRemoveAnswer,), log_events.TOTP_REMOVE),
    Endpoint(handlers.recovery_codes, bodies.RecoveryCodes, (bodies.RecoveryCodesAnswer,), log_events.RECOVERY_CODES),
)


def headless(*, enabled: bool) -> web.Application:
    """The application of `/headless`. Where the API is switched off, every path says so.

    The route of an endpoint has the endpoint's name, by which the middleware finds its events.
    """
    app = web.Application(middlewares=[answering])
    # aiohttp calls this for every answer to a request that has a route, also for its own error pages.
    app.on_response_prepare.append(allow_origin)
    if not enabled:
        app[EVENTS] = {"headless": log_events.HEADLESS}
        app.router.add_route("*", "/headless/{endpoint:.*}", disabled, name="headless")
        return app
    app[EVENTS] = {endpoint.name: endpoint.events for endpoint in ENDPOINTS}
    for endpoint in ENDPOINTS:
        app.router.add_post(endpoint.path, endpoint.handler, name=endpoint.name)
        app.router.add_route("OPTIONS", endpoint.path, preflight_of)
    app.router.add_get("/headless/openapi.json", openapi_json)
    app.router.add_get("/headless/docs", docs)
    app.router.add_get("/headless/docs/{name}", docs)
    return app


async def disabled(_request: web.Request) -> web.Response:
    raise Disabled


async def preflight_of(request: web.Request) -> web.Response:
    return preflight(request, request.app[CLIENTS])


async def openapi_json(_request: web.Request) -> web.Response:
    return web.Response(body=document_bytes(), headers=FIXED)


@functools.cache
def document_bytes() -> bytes:
    return as_text(openapi.document(ENDPOINTS)).encode()
