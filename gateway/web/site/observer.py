"""The gate where the guard is off, or only observes: everything passes.

Sealed cookies are still opened, so that users who logged in while the guard was on stay logged in. Where the guard
observes, an event tells of each thing that would not have passed.
"""

from collections import defaultdict

import structlog
from aiohttp import web
from structlog.contextvars import bound_contextvars

from gateway.account import Visitor
from gateway.errors import GatewayError
from gateway.interfaces import Authenticator
from gateway.interfaces.upstream import Headers, UpstreamAnswer
from gateway.telemetry.log_setup import OncePerMinute
from gateway.transaction import GUARD
from gateway.web.http.client_ip import Addresses
from gateway.web.http.running import Running
from gateway.web.http.visitors import visitor_of
from gateway.web.site.gate import Admitted, Release
from gateway.web.site.guard import (
    SetSession,
    cookies_in,
    place_of,
    session_set_by,
    without_credentials,
)
from gateway.web.site.handed_over import HandedOver
from gateway.web.site.options import GuardOptions
from gateway.web.site.sealed_cookies import FRONT

log = structlog.get_logger()


class Observer:
    """Changes nothing but the gateway's own cookies and the sealed ones."""

    def __init__(
        self,
        options: GuardOptions,
        drupal: Authenticator,
        handed: HandedOver,
        addresses: Addresses,
        running: Running,
    ) -> None:
        self._drupal = drupal
        self._handed = handed
        self._addresses = addresses
        self._running = running
        self._tells = options.mode == "observe"
        self._passes_bearer = options.bearer == "pass"
        self._would_drop: defaultdict[str, OncePerMinute] = defaultdict(OncePerMinute)
        self._unknown = OncePerMinute()

    async def admit(self, request: web.Request, headers: Headers) -> Admitted | web.StreamResponse:
        """Open the sealed cookies of the request, and pass on everything else as it came."""
        if self._tells:
            self._tell_of(request, headers)
        return Admitted(headers=[(name, self._opened(name, value)) for name, value in headers])

    async def judge(
        self, request: web.Request, admitted: Admitted, answer: UpstreamAnswer
    ) -> Release | web.StreamResponse:
        """Release the answer as it is. A task asks later whose session it opened, so that the answer does not wait."""
        del admitted
        births = [
            cookie
            for name, value in answer.headers
            if self._tells
            and name.lower() == "set-cookie"
            and (cookie := session_set_by(value))
            and not cookie.is_deletion
        ]
        if births:
            visitor = visitor_of(request, self._addresses)
            return Release(headers=answer.headers, settle=lambda _written: self._ask_about(births[-1], visitor))
        return Release(headers=answer.headers)

    def _opened(self, name: str, value: str) -> str:
        return self._handed.opened(value) if name.lower() == "cookie" else value

    def _tell_of(self, request: web.Request, headers: Headers) -> None:
        _, dropped = without_credentials(headers, bearer=self._passes_bearer)
        if place_of(request.raw_path) == "closed":
            dropped.append("path")
        if any(FRONT not in value for _, value in cookies_in(request.headers.getall("Cookie", ())).sessions):
            dropped.append("session")
        for what in dropped:
            if self._would_drop[what].due():
                log.info("guard.would_drop", what=what)

    def _ask_about(self, birth: SetSession, visitor: Visitor) -> None:
        self._running.keep(self._would_challenge(birth, visitor))

    async def _would_challenge(self, birth: SetSession, visitor: Visitor) -> None:
        uid, reason = "", "login"
        if birth.name != self._drupal.cookie_name:
            reason = "foreign_cookie"
        else:
            try:
                uid = await self._drupal.whose(self._drupal.session_of(birth.line, uid=""), visitor=visitor)
            except GatewayError as error:
                reason = error.word
        # Any client can cause a foreign cookie or an error again and again, so these are logged once a minute at most.
        if uid or (reason != "login" and self._unknown.due()):
            with bound_contextvars(client=GUARD):
                log.info("guard.would_challenge", uid=uid, reason=reason)
