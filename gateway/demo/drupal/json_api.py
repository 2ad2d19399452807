"""JSON:API: accounts and nodes. Measured for accounts, Drupal 10.6/11.4."""

import re
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal import node_documents, passwords
from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.documents import as_json_api, sees_fields
from gateway.demo.drupal.routing import READS, Handler
from gateway.demo.drupal.site import Site
from gateway.demo.drupal.visit import JSON_API, RefusedError, Visit

FILTER = re.compile(r"filter\[(\w+)\](?:\[value\])?")
PAGE_SIZE = 50
FILTERS = frozenset({"name", "drupal_internal__uid"})
LISTED = ("user--user", "user_role--user_role")
# JSON:API reserves names of small letters only; any other name is the site's own affair.
PARAMETERS = frozenset({"include", "page", "sort", "filter", "fields"})
RESERVED = re.compile("[a-z]+")
WRITES = frozenset({"POST", "PATCH", "DELETE"})


def find(visit: Visit) -> Handler | None:
    """Return the handler below /jsonapi; None for a resource that the site does not have."""
    if not visit.is_json_api:
        return None
    match visit.segments[1:]:
        case [] | ["user", "user"] | ["user", "user", _]:
            return json_api
        case ["node", bundle] | ["node", bundle, _] if bundle in visit.site.options.content_types:
            return json_api
        case _:
            visit.format = visit.query.get("_format") or "html"
            return None


async def json_api(visit: Visit) -> web.Response:
    """Answer below /jsonapi.

    Measured: an unknown parameter is 400; only reading is possible unless the site allows more.
    """
    if visit.method not in READS and (visit.site.options.json_api_read_only or visit.method not in WRITES):
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "", {"Allow": "GET"})
    unknown = [
        name for name in visit.query if RESERVED.fullmatch(plain := name.partition("[")[0]) and plain not in PARAMETERS
    ]
    if unknown:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, f"The following query parameters violate the JSON:API spec: '{unknown[0]}'."
        )
    match visit.segments[1:]:
        case []:
            return _entry_point(visit)
        case ["user", "user"] if visit.method == "POST":
            passwords.check_csrf(visit)
            raise RefusedError(HTTPStatus.FORBIDDEN, "The current user is not allowed to create users.")
        case ["user", "user"]:
            return _collection(visit)
        case ["user", "user", uuid]:
            return await _individual(visit, uuid)
        case _:
            return await node_documents.answer(visit)


def _entry_point(visit: Visit) -> web.Response:
    base = f"{visit.origin.base_url}/jsonapi"
    links: dict[str, object] = {"self": {"href": base}}
    links |= {name: {"href": f"{base}/{name.replace('--', '/')}"} for name in LISTED}
    document: dict[str, object] = {"jsonapi": visit.json_api_version, "data": []}
    if visit.account is not None:
        uuid = visit.account.uuid
        document["meta"] = {"links": {"me": {"meta": {"id": uuid}, "href": f"{base}/user/user/{uuid}"}}}
    return visit.json({**document, "links": links}, content_type=JSON_API)


async def _individual(visit: Visit, uuid: str) -> web.Response:
    user = next((user for user in visit.site.accounts if user.uuid == uuid), None)
    if user is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, 'The "entity" parameter was not converted for the path.')
    if visit.method == "PATCH":
        return await passwords.patch_json_api(visit, user)
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
