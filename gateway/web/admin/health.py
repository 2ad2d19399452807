"""Whether the process lives, and whether it should be sent anything."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from gateway.errors import GatewayError
from gateway.web.http.keys import RUNNING
from gateway.web.http.responses import answer

Check = Callable[[], Awaitable[None]]

CHECK_SECONDS = 2

CHECKS = web.AppKey("checks", dict[str, Check])
# What an operator should know, but what does not decide whether the process is ready.
DETAILS = web.AppKey("details", dict[str, Callable[[], str]])


async def livez(_request: web.Request) -> web.Response:
    """The loop turns; nothing else is asked, or a dead Redis would have every Pod restarted."""
    return answer({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Every dependency by name; not ready while stopping. Drupal's state is told, but does not decide.

    Without Drupal nobody can log in, with or without this process, and it answers so in our JSON.
    """
    checks = request.app[CHECKS]
    words = dict(zip(checks, await asyncio.gather(*(word_of(check) for check in checks.values())), strict=True))
    reachable = all(word == "ok" for word in words.values())
    stopping = request.app[RUNNING].stopping
    ready = not stopping and reachable
    words |= {name: tell() for name, tell in request.app[DETAILS].items()}
    body = {"status": "stopping" if stopping else "ok" if ready else "not_ready", **words}
    return answer(body, status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


async def word_of(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except (GatewayError, TimeoutError):
        return "unavailable"
    return "ok"


def admin() -> web.Application:
    """The listener that is never exposed."""
    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    return app
