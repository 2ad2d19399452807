"""Writes the answer that hands a session over, and tells the flow whether it arrived."""

import structlog
from aiohttp import web

from gateway.login.outcome import Granted
from gateway.web.headless.app_keys import DRUPAL, FLOW, PUBLIC_URL
from gateway.web.http.app_keys import RUNNING
from gateway.web.http.connections import write_whole
from gateway.web.http.middleware import stamp

log = structlog.get_logger()


async def hand_over(request: web.Request, granted: Granted, response: web.Response) -> web.Response:
    """Write *response* here, to know that its last byte left: only then is the session handed over."""
    flow, running = request.app[FLOW], request.app[RUNNING]
    try:
        await write_whole(request, stamp(request, response))
    except BaseException:
        running.keep(flow.lost(granted))
        raise
    # Not awaited: while the store is down, this takes longer than any connection should be held.
    running.keep(flow.delivered(granted))
    for unusable in request.app[DRUPAL].unusable_cookies(granted.hand_over, public_url=request.app[PUBLIC_URL].seen):
        log.warning("relay.unusable_cookie", reason=unusable.reason, change=unusable.change)
    return response
