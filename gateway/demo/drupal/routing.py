"""What every route has: a handler, and the methods and formats that it takes."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal.visit import ONLY_HTML, RefusedError, Visit

Handler = Callable[[Visit], Awaitable[web.Response]]

READS = frozenset({"GET", "HEAD"})
READS_AND_POST = frozenset({"GET", "HEAD", "POST"})
POST_ONLY = frozenset({"POST"})


def page(visit: Visit, handler: Handler) -> Handler:
    """Return *handler*, which renders a page. Raises RefusedError for another method or format."""
    only(visit, READS_AND_POST, handler)
    if visit.format != "html":
        raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, ONLY_HTML)
    return handler


def only(visit: Visit, methods: frozenset[str], handler: Handler) -> Handler:
    """Return *handler*, which takes *methods*. Raises RefusedError for another one."""
    if visit.method in methods:
        return handler
    is_resource = visit.site.has("rest") and visit.segments[:1] == ["user"]
    allowed = [method for method in ("GET", "POST", "HEAD") if method in methods]
    allow = ", ".join([*allowed, *(["DELETE", "PATCH"] if is_resource else [])])
    message = f'No route found for "{visit.method} {visit.bare_url}": Method Not Allowed (Allow: {allow})'
    raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, message, {"Allow": allow})


def not_found(visit: Visit) -> RefusedError:
    """Return the refusal of a path that has no route."""
    return RefusedError(HTTPStatus.NOT_FOUND, f'No route found for "{visit.method} {visit.bare_url}"')


def denied(visit: Visit, message: str = "") -> RefusedError:
    """Return the refusal of a route that this visitor may not use: 401 where a Basic header could help, else 403."""
    if visit.site.has("basic_auth") and visit.format == "json" and visit.account is None and visit.basic is None:
        realm = {"WWW-Authenticate": f'Basic realm="{visit.site.options.name}"'}
        return RefusedError(HTTPStatus.UNAUTHORIZED, "No authentication credentials provided.", realm)
    return RefusedError(HTTPStatus.FORBIDDEN, message)


def is_administrator(visit: Visit) -> bool:
    return visit.account is not None and visit.account.is_administrator
