"""Accounts through JSON:API and through core's rest module, when those are on; and Basic authentication."""

import re
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.documents import as_json_api, as_rest, sees_fields
from gateway.demo.drupal.signing_in import flood_identifier
from gateway.demo.drupal.site import Site
from gateway.demo.drupal.visit import JSON_API, ONLY_HTML, RefusedError, Visit

PROFILES = "The 'access user profiles' permission is required."
BASIC_BY_ADDRESS = "basic_auth.failed_login_ip"
BASIC_BY_ACCOUNT = "basic_auth.failed_login_user"
FILTER = re.compile(r"filter\[(\w+)\](?:\[value\])?")
PAGE_SIZE = 50
FILTERS = frozenset({"name", "drupal_internal__uid"})
LISTED = ("user--user", "user_role--user_role")


async def json_api(visit: Visit) -> web.Response:
    """Answer below /jsonapi."""
    if visit.method not in ("GET", "HEAD"):
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "", {"Allow": "GET"})
    match visit.segments[1:]:
        case []:
            return _entry_point(visit)
        case ["user", "user"]:
            return _collection(visit)
        case ["user", "user", uuid]:
            return _individual(visit, uuid)
        case _:
            raise RefusedError(HTTPStatus.NOT_FOUND, f'No route found for "{visit.method} {visit.url}"')


async def rest_user(visit: Visit) -> web.Response:
    """Answer GET /user/{uid}?_format=json; 406 without the rest module."""
    user = find_user(visit)
    if not visit.site.has("rest"):
        if not may_see(visit.account, user, profiles=visit.site.options.profiles_visible):
            raise RefusedError(HTTPStatus.FORBIDDEN, PROFILES)
        raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, ONLY_HTML)
    document = as_rest(user, visit.account, visit.site.options)
    if document is None:
        challenge_anonymous(visit)
        raise RefusedError(HTTPStatus.FORBIDDEN, PROFILES)
    answer = visit.json(document)
    base = f"{visit.origin.base_url}/user/{user.uid}"
    for address, relation in (
        (base, "canonical"),
        (f"{base}/edit", "edit-form"),
        (f"{base}/cancel", "https://drupal.org/link-relations/cancel-form"),
        (f"{visit.origin.base_url}/admin/people", "collection"),
    ):
        answer.headers.add("Link", f'<{address}>; rel="{relation}"')
    return answer


def find_user(visit: Visit) -> User:
    """Return the account that the path names, or refuse with 404."""
    segment = visit.segments[1]
    user = visit.site.accounts.get(int(segment)) if segment.isdecimal() else None
    if user is None:
        route = f"rest.entity.user.{visit.method}" if visit.site.has("rest") else "entity.user.canonical"
        message = f'The "user" parameter was not converted for the path "/user/{{user}}" (route name: "{route}")'
        raise RefusedError(HTTPStatus.NOT_FOUND, message.replace(".HEAD", ".GET"))
    return user


def may_see(viewer: User | None, user: User, *, profiles: bool) -> bool:
    """Whether *viewer* may open the profile of *user*."""
    return viewer is not None and (viewer.is_administrator or viewer.uid == user.uid or (profiles and user.active))


def challenge_anonymous(visit: Visit) -> None:
    """Refuse with 401 a request without cookie and Basic header. Measured, Drupal 11.4: with either, it is 403."""
    if visit.site.has("basic_auth") and visit.cookie is None and visit.basic is None:
        realm = {"WWW-Authenticate": f'Basic realm="{visit.site.options.name}"'}
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "No authentication credentials provided.", realm)


def basic_account(visit: Visit, name: str, password: str) -> User | None:
    """Check Basic credentials. Their failures have flood rows of their own (measured, Drupal 10.6 and 11.4)."""
    options, flood, address = visit.site.options, visit.site.flood, visit.origin.address
    if flood.is_allowed(BASIC_BY_ADDRESS, address, limit=options.ip_limit, window=options.ip_window_seconds):
        user = visit.site.accounts.named([name], active=True)
        if user is not None:
            identifier = flood_identifier(visit, user)
            limit, window = options.user_limit, options.user_window_seconds
            if flood.is_allowed(BASIC_BY_ACCOUNT, identifier, limit=limit, window=window):
                if user.accepts(password):
                    flood.clear(BASIC_BY_ACCOUNT, identifier)
                    return user
                flood.register(BASIC_BY_ACCOUNT, identifier)
    flood.register(BASIC_BY_ADDRESS, address)
    return None


def _entry_point(visit: Visit) -> web.Response:
    base = f"{visit.origin.base_url}/jsonapi"
    links: dict[str, object] = {"self": {"href": base}}
    links |= {name: {"href": f"{base}/{name.replace('--', '/')}"} for name in LISTED}
    document: dict[str, object] = {"jsonapi": visit.json_api_version, "data": []}
    if visit.account is not None:
        uuid = visit.account.uuid
        document["meta"] = {"links": {"me": {"meta": {"id": uuid}, "href": f"{base}/user/user/{uuid}"}}}
    return visit.json({**document, "links": links}, content_type=JSON_API)


def _individual(visit: Visit, uuid: str) -> web.Response:
    user = next((user for user in visit.site.accounts if user.uuid == uuid), None)
    if user is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, 'The "entity" parameter was not converted for the path.')
    return _document(visit, as_json_api(user, visit.account, visit.site.options, visit.origin.base_url))


def _collection(visit: Visit) -> web.Response:
    filters = {found[1]: value for name, value in visit.query.items() if (found := FILTER.fullmatch(name))}
    users = _filtered(visit, filters) if filters else list(visit.site.accounts)
    options, base = visit.site.options, visit.origin.base_url
    return _document(visit, [as_json_api(user, visit.account, options, base) for user in users[:PAGE_SIZE]])


def _filtered(visit: Visit, filters: dict[str, str]) -> Sequence[User]:
    """Return the accounts that match. Measured: a filter finds only accounts whose fields the viewer may see."""
    administrator = visit.account is not None and visit.account.is_administrator
    for name in filters:
        if name not in FILTERS and not (name == "mail" and administrator):
            detail = f"The current user is not authorized to filter by the `{name}` field, given in the path `{name}`."
            raise RefusedError(HTTPStatus.FORBIDDEN, detail)
    found = _candidates(visit.site, filters)
    found = [user for user in found if sees_fields(user, visit.account, visit.site.options)]
    return [user for user in found if filters.get("mail") in (None, user.mail)]


def _candidates(site: Site, filters: dict[str, str]) -> list[User]:
    uid, name = filters.get("drupal_internal__uid"), filters.get("name")
    users = list(site.accounts) if name is None else site.accounts.all_named(name)
    if uid is None:
        return users
    user = site.accounts.get(int(uid)) if uid.isdecimal() else None
    return [user] if user is not None and (name is None or user in users) else []


def _document(visit: Visit, data: object) -> web.Response:
    document = {"jsonapi": visit.json_api_version, "data": data, "links": {"self": {"href": visit.url}}}
    return visit.json(document, content_type=JSON_API)
