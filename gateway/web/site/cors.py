"""CORS on Drupal's answers, for the pages of the clients' origins (Fetch §3.2).

What Drupal itself allows stays as it is.
"""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from gateway.interfaces.upstream import Headers
from gateway.web.http.responses import FIXED

ALLOW_ORIGIN = "Access-Control-Allow-Origin"
ASKED_METHOD, ASKED_HEADERS = "Access-Control-Request-Method", "Access-Control-Request-Headers"
# How long a browser may remember the answer to a preflight request, in seconds.
MAX_AGE = "600"


class SiteCors:
    """Lets pages of *origins* ask the site and read its answers, with cookies."""

    def __init__(self, origins: frozenset[str]) -> None:
        self._origins = origins

    def preflight(self, request: web.Request) -> web.Response | None:
        """Answer a preflight request of such a page; None for any other request."""
        origin, method = self.origin_of(request), request.headers.get(ASKED_METHOD)
        if origin is None or method is None or request.method != "OPTIONS":
            return None
        headers = {name: value for name, value in FIXED.items() if name != "Content-Type"}
        headers |= {"Access-Control-Allow-Methods": method, "Access-Control-Max-Age": MAX_AGE, **self._allowing(origin)}
        if ASKED_HEADERS in request.headers:
            headers["Access-Control-Allow-Headers"] = request.headers[ASKED_HEADERS]
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)

    def on(self, request: web.Request, headers: Headers) -> Sequence[tuple[str, str]]:
        """Return *headers* with those that let the page which asked read the answer, unless Drupal has set its own."""
        origin = self.origin_of(request)
        if origin is None or any(name.lower() == ALLOW_ORIGIN.lower() for name, _ in headers):
            return headers
        return [*headers, *self._allowing(origin).items()]

    def origin_of(self, request: web.Request) -> str | None:
        """Return the origin of the page that asks, if it is one of ours."""
        origin = request.headers.get("Origin")
        return origin if origin in self._origins else None

    @staticmethod
    def _allowing(origin: str) -> dict[str, str]:
        return {ALLOW_ORIGIN: origin, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}
