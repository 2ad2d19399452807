"""Whether the process lives, and whether it is ready for requests."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from gateway.errors import GatewayError
from gateway.web.http.app_keys import RUNNING
from gateway.web.http.error_answers import refused_by_http
from gateway.web.http.responses import answer

Check = Callable[[], Awaitable[None]]

CHECK_SECONDS = 2

# For a gateway that runs in Drupal's own Pod: the Pod is ready only if the gateway is ready. While the gateway's store
# is down nobody can log in, but Drupal can still serve all other pages. So a store that is down must not take the Pod
# out of service.
FOR_SITE = "site"

CHECKS = web.AppKey("checks", dict[str, Check])
# States that an operator should see, but that do not decide whether the process is ready.
DETAILS = web.AppKey("details", dict[str, Callable[[], str]])


async def livez(_request: web.Request) -> web.Response:
    """Answer that the event loop runs. Nothing else is checked: a dead Redis must not restart every Pod."""
    return answer({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Answer with the state of every dependency. A process that is stopping is not ready.

    Drupal's state is shown but does not decide: without Drupal nobody can log in, whichever process answers. With
    `?for=site` nothing decides but the process itself: see `FOR_SITE`.
    """
    purpose = request.query.getall("for", [])
    if purpose not in ([], [FOR_SITE]):
        return refused_by_http(HTTPStatus.BAD_REQUEST)
    checks = request.app[CHECKS]
    states = dict(zip(checks, await asyncio.gather(*(state_of(check) for check in checks.values())), strict=True))
    reachable = all(state == "ok" for state in states.values())
    stopping = request.app[RUNNING].stopping
    ready = not stopping and (reachable or purpose == [FOR_SITE])
    states |= {name: state() for name, state in request.app[DETAILS].items()}
    body = {"status": "stopping" if stopping else "ok" if ready else "not_ready", **states}
    return answer(body, status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


async def state_of(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except (GatewayError, TimeoutError):
        return "unavailable"
    return "ok"


def admin() -> web.Application:
    """The application of the admin listener."""
    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    return app
