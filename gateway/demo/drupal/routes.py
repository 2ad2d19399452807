"""Finds the handler of a request to the simulated Drupal, and the account that sent it."""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal import login_form, php, resources, screens, signing_in
from gateway.demo.drupal.faults import Endpoint
from gateway.demo.drupal.origin import ConflictingHeadersError, RefusedEarlyError
from gateway.demo.drupal.visit import ALWAYS, ONLY_HTML, UNEXPECTED, UNEXPECTED_REASON, RefusedError, Visit, php_json

Handler = Callable[[Visit], Awaitable[web.Response]]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
READS = frozenset({"GET", "HEAD"})
READS_AND_POST = frozenset({"GET", "HEAD", "POST"})
TAKE_BASIC: tuple[Handler, ...] = (resources.json_api, resources.rest_user)
IN_JSON: dict[tuple[str, str], Handler] = {
    ("POST", "/user/login"): signing_in.log_in,
    ("GET", "/user/login_status"): signing_in.login_status,
    ("HEAD", "/user/login_status"): signing_in.login_status,
    ("POST", "/user/logout"): signing_in.log_out,
    ("POST", "/user/password"): signing_in.reset_password,
}
PAGES: dict[str, Handler] = {"/": screens.front, "/user/logout/confirm": screens.confirm_logout}
IN_ANY_FORMAT: dict[str, Handler] = {
    "/user": screens.own_profile,
    "/user/logout": screens.log_out,
    "/session/token": signing_in.session_token,
}
METHOD = re.compile("[A-Z]+")
UNSAFE_OVERRIDE = "Changing a request's method to a safe method is not supported."
UGLY = "JSON:API does not need that ugly '_format' query string! 🤘 Use the URL provided in 'links' 🙏"


def endpoint_of(path: str) -> Endpoint:
    """Return the endpoint of a normalised path, under the name that faults use."""
    match path[1:].split("/"):
        case ["user", "login"]:
            return Endpoint.LOGIN
        case ["user", "login_status"]:
            return Endpoint.LOGIN_STATUS
        case ["user", "logout", *_]:
            return Endpoint.LOGOUT
        case ["jsonapi", *_] | ["user"]:
            return Endpoint.CONTACTS
        case ["user", uid] | ["user", uid, "edit"] if uid.isdecimal():
            return Endpoint.CONTACTS
        case _:
            return Endpoint.OTHER


def check_request(visit: Visit) -> None:
    """Refuse what fails before routing: a method that may not be overridden, or `_format` as an array."""
    override = visit.headers.get("x-http-method-override")
    if visit.method == "POST" and override is not None:
        visit.method = overridden(override.upper(), visit.site.options.version)
    if any(name.startswith("_format[") for name in visit.query):
        raise RefusedEarlyError(HTTPStatus.INTERNAL_SERVER_ERROR)


def overridden(method: str, version: str) -> str:
    """Return the method that a POST with X-HTTP-Method-Override has.

    Measured: 10.6 and 11.4 answer 400 for safe methods, 10.5 takes them; anything but letters is 500. Raises
    RefusedEarlyError.
    """
    if version != "10.5" and method in SAFE_METHODS | ({"QUERY"} if version == "11" else set()):
        raise RefusedEarlyError(HTTPStatus.BAD_REQUEST, UNSAFE_OVERRIDE)
    if not METHOD.fullmatch(method) and (method or version != "11"):
        raise RefusedEarlyError(HTTPStatus.INTERNAL_SERVER_ERROR)
    return method


def early_refusal(request: web.Request, refused: RefusedEarlyError, version: str) -> web.Response:
    """Answer a request that fails before Drupal has started (measured, Drupal 10.6 and 11.4)."""
    headers = {**ALWAYS, "Cache-Control": "no-cache, private"}
    charset = "UTF-8" if version == "10" else "utf-8"
    if isinstance(refused, ConflictingHeadersError) and "_format=json" in request.raw_path:
        headers = {**ALWAYS, "Content-Type": "application/json"}
        return web.Response(
            status=refused.status, body=php_json({"message": refused.message}).encode(), headers=headers
        )
    if refused.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return unexpected(headers)
    headers["Content-Type"] = f"text/plain; charset={charset}"
    return web.Response(status=refused.status, body=refused.message.encode(), headers=headers)


def unexpected(headers: dict[str, str]) -> web.Response:
    """Return the page of an error that Drupal itself could not handle."""
    headers["Content-Type"] = "text/html; charset=UTF-8"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return web.Response(status=status, reason=UNEXPECTED_REASON, body=f"{UNEXPECTED}<br />".encode(), headers=headers)


def identify(visit: Visit) -> None:
    """Find the account: by the Basic header if one was sent and basic_auth is on, otherwise by the session cookie."""
    if visit.cookie is not None:
        visit.session = visit.site.ledger.find(visit.cookie)
    if visit.site.has("basic_auth"):
        visit.basic = php.basic_credentials(visit.headers)
    if visit.basic is not None:
        visit.account = resources.basic_account(visit, *visit.basic)
    elif visit.session is not None:
        account = visit.site.accounts.get(visit.session.uid)
        visit.account = account if account is not None and account.active else None


def find_handler(visit: Visit) -> Handler:
    """Return the handler of this visit. Raises RefusedError for 404, 405 and 406."""
    if visit.path in visit.site.session_routes:
        return screens.session_route
    return _route(visit)


def _route(visit: Visit) -> Handler:
    in_json = IN_JSON.get((visit.method, visit.path)) if visit.format == "json" else None
    if in_json is not None:
        return in_json
    if visit.path == "/user/login":
        return _login(visit)
    if visit.is_json_api:
        return resources.json_api
    if visit.path in PAGES:
        return _page(visit, PAGES[visit.path])
    if visit.path in IN_ANY_FORMAT:
        return _only(visit, READS_AND_POST, IN_ANY_FORMAT[visit.path])
    return _below_user(visit)


def _below_user(visit: Visit) -> Handler:
    match visit.segments:
        case ["user", _] if visit.format == "html":
            return _page(visit, screens.profile)
        case ["user", _]:
            return _only(visit, READS, resources.rest_user)
        case ["user", _, "edit"]:
            return _page(visit, screens.account_form)
        case ["user", "reset", _, _, _, "login"]:
            return _page(visit, screens.one_time_login)
        case _:
            raise RefusedError(HTTPStatus.NOT_FOUND, f'No route found for "{visit.method} {_bare(visit)}"')


def _login(visit: Visit) -> Handler:
    """Return the handler of /user/login, by method and format (measured, Drupal 10.6 and 11.4)."""
    if visit.method == "OPTIONS":
        return _options
    if visit.method in ("DELETE", "PATCH") and visit.site.has("rest"):
        resources.find_user(visit)
    if visit.method == "POST" and visit.format != "html":
        return _login_in_another_format(visit)
    return _page(visit, login_form.page)


def _login_in_another_format(visit: Visit) -> Handler:
    match visit.format:
        case "api_json" if visit.site.has("jsonapi"):
            return _ugly
        case "xml" if visit.site.has("rest", "jsonapi"):
            raise signing_in.BrokenRequestError
        case _:
            raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, ONLY_HTML)


def _page(visit: Visit, handler: Handler) -> Handler:
    """Return *handler*, which renders a page. Raises RefusedError for another method or format."""
    _only(visit, READS_AND_POST, handler)
    if visit.format != "html":
        raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, ONLY_HTML)
    return handler


def _only(visit: Visit, methods: frozenset[str], handler: Handler) -> Handler:
    if visit.method in methods:
        return handler
    allowed = [method for method in ("GET", "POST", "HEAD") if method in methods]
    allow = ", ".join([*allowed, *(["DELETE", "PATCH"] if visit.site.has("rest") else [])])
    message = f'No route found for "{visit.method} {_bare(visit)}": Method Not Allowed (Allow: {allow})'
    raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, message, {"Allow": allow})


async def _options(visit: Visit) -> web.Response:
    answer = visit.empty(HTTPStatus.OK, "application/json")
    answer.headers["Allow"] = "GET, POST, DELETE, PATCH" if visit.site.has("rest") else "GET, POST"
    return answer


async def _ugly(visit: Visit) -> web.Response:
    """Refuse `_format=api_json`, with the sentence of the jsonapi module."""
    document = visit.json_api_errors(HTTPStatus.BAD_REQUEST, UGLY, info=_bare(visit))
    answer = visit.json(document, HTTPStatus.BAD_REQUEST, "application/vnd.api+json")
    answer.headers["Link"] = _bare(visit)
    return answer


def _bare(visit: Visit) -> str:
    return visit.bare_url
