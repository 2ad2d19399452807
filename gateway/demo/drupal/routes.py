"""Finds the handler of a request to the simulated Drupal, and the account that sent it."""

import re
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal import (
    basic,
    cart,
    content,
    files,
    json_api,
    login_form,
    oauth,
    one_time,
    passwords,
    php,
    registration,
    resources,
    screens,
    scripts,
    signing_in,
    system_pages,
)
from gateway.demo.drupal.faults import Endpoint
from gateway.demo.drupal.origin import RefusedEarlyError
from gateway.demo.drupal.routing import READS, READS_AND_POST, Handler, not_found, only, page
from gateway.demo.drupal.visit import ONLY_HTML, RefusedError, Visit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
TAKE_BASIC: frozenset[Handler] = frozenset(
    {
        json_api.json_api,
        resources.rest_user,
        passwords.patch_user,
        oauth.token,
        *content.TAKE_BASIC,
        *scripts.TAKE_BASIC,
    }
)
# Resources of core's rest module, whose configuration lists what they take.
TAKE_NO_BEARER: frozenset[Handler] = frozenset({resources.rest_user, passwords.patch_user, *content.TAKE_BASIC})
IN_JSON: dict[tuple[str, str], Handler] = {
    ("POST", "/user/login"): signing_in.log_in,
    ("GET", "/user/login_status"): signing_in.login_status,
    ("HEAD", "/user/login_status"): signing_in.login_status,
    ("POST", "/user/logout"): signing_in.log_out,
    ("POST", "/user/password"): signing_in.reset_password,
}
IN_ANY_FORMAT: dict[str, Handler] = {
    "/user": screens.own_profile,
    "/user/edit": screens.own_account_form,
    "/user/logout": screens.log_out,
    "/session/token": signing_in.session_token,
}
# Each finds the handler of the paths that it knows, and leaves the others to the next one.
FINDERS: tuple[Callable[[Visit], Handler | None], ...] = (
    json_api.find,
    oauth.find,
    one_time.find,
    registration.find,
    content.find,
    cart.find,
    scripts.find,
    system_pages.find,
    files.find,
)
AUTHENTICATION_REFUSED = "The used authentication method is not allowed on this route."
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


def identify(visit: Visit) -> None:
    """Find the account: by a Basic header, a bearer token or the session cookie, in this order (measured, Drupal 10.5).

    A header counts only if its module is on. Raises RefusedError for a bad bearer token.
    """
    if visit.cookie is not None:
        visit.session = visit.site.ledger.find(visit.cookie)
    if visit.site.has("basic_auth"):
        visit.basic = php.basic_credentials(visit.headers)
    if visit.basic is None and visit.site.has("simple_oauth"):
        visit.bearer = oauth.bearer(visit)
    if visit.basic is not None:
        visit.account = basic.account(visit, *visit.basic)
    elif visit.bearer is not None:
        visit.account = visit.site.accounts.get(visit.bearer.uid)
    elif visit.session is not None:
        account = visit.site.accounts.get(visit.session.uid)
        visit.account = account if account is not None and account.active else None


def check_authentication(visit: Visit, handler: Handler) -> None:
    """Refuse Basic where a route does not take it.

    Measured, Drupal 10.6/11.4: 403, on a page that is rendered for the user all the same; the login form and the
    log-out redirect, as they do for any logged-in user.
    """
    if visit.bearer is not None and handler in TAKE_NO_BEARER:
        raise RefusedError(HTTPStatus.FORBIDDEN, AUTHENTICATION_REFUSED)
    if visit.basic is None or handler in TAKE_BASIC:
        return
    if visit.account is not None and visit.format == "html" and handler in (login_form.page, screens.log_out):
        return
    raise RefusedError(HTTPStatus.FORBIDDEN, AUTHENTICATION_REFUSED)


def find_handler(visit: Visit) -> Handler:
    """Return the handler of this visit. Raises RefusedError for 404, 405, 406 and 415."""
    if visit.path in visit.site.session_routes:
        return screens.session_route
    in_json = IN_JSON.get((visit.method, visit.path)) if visit.format == "json" else None
    if in_json is not None:
        return in_json
    if visit.path == "/user/login":
        return _login(visit)
    if visit.path == "/":
        return page(visit, screens.front)
    if visit.path in IN_ANY_FORMAT:
        return only(visit, READS_AND_POST, IN_ANY_FORMAT[visit.path])
    found = (finder(visit) for finder in FINDERS)
    return next((handler for handler in found if handler is not None), None) or _below_user(visit)


def _below_user(visit: Visit) -> Handler:
    match visit.segments:
        case ["user", "logout", "confirm"]:
            return page(visit, screens.confirm_logout)
        case ["user", _] if visit.method in ("PATCH", "DELETE") and visit.site.has("rest"):
            return passwords.patch_user if visit.method == "PATCH" else resources.delete_user
        case ["user", _] if visit.format == "html":
            return page(visit, screens.profile)
        case ["user", _]:
            return only(visit, READS, resources.rest_user)
        case ["user", _, "edit"]:
            return only(visit, READS_AND_POST, screens.account_form)
        case ["user", _, "cancel"] | ["user", _, "cancel", "confirm", _, _]:
            return only(visit, READS_AND_POST, screens.cancel)
        case _:
            raise not_found(visit)


def _login(visit: Visit) -> Handler:
    """Return the handler of /user/login, by method and format (measured, Drupal 10.6 and 11.4)."""
    if visit.method in ("DELETE", "PATCH") and visit.site.has("rest"):
        return passwords.patch_user if visit.method == "PATCH" else resources.delete_user
    if visit.method == "POST" and visit.format != "html":
        return _login_in_another_format(visit)
    return page(visit, login_form.page)


def _login_in_another_format(visit: Visit) -> Handler:
    match visit.format:
        case "api_json" if visit.site.has("jsonapi"):
            return _ugly
        case "xml" if visit.site.has("rest", "jsonapi"):
            raise signing_in.BrokenRequestError
        case _:
            raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, ONLY_HTML)


async def options(visit: Visit) -> web.Response:
    """Answer OPTIONS of a path that has a route, before Drupal looks who asks (measured, Drupal 10.6 and 11.4)."""
    visit.method = "GET"
    try:
        find_handler(visit)
    except RefusedError as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            raise
    answer = visit.empty(HTTPStatus.OK, "application/json")
    answer.headers["Allow"] = "GET, POST, DELETE, PATCH" if visit.site.has("rest") else "GET, POST"
    return answer


async def _ugly(visit: Visit) -> web.Response:
    """Refuse `_format=api_json`, with the sentence of the jsonapi module."""
    document = visit.json_api_errors(HTTPStatus.BAD_REQUEST, UGLY, info=visit.bare_url)
    answer = visit.json(document, HTTPStatus.BAD_REQUEST, "application/vnd.api+json")
    answer.headers["Link"] = visit.bare_url
    return answer
