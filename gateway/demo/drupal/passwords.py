"""Changing an account by REST, JSON:API or the account form, and what a new password does to sessions.

Measured, Drupal 10.6/11.4: users who change their own password get a new session id, and all of their other sessions
end, also if the new password is the old one. Without a session, as with Basic, all of them end and none is opened.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from gateway.demo.drupal.accounts import Changes, User
from gateway.demo.drupal.documents import as_json_api, as_rest
from gateway.demo.drupal.ledger import Ending
from gateway.demo.drupal.resources import find_user
from gateway.demo.drupal.routing import denied, is_administrator
from gateway.demo.drupal.signing_in import decoded
from gateway.demo.drupal.visit import JSON_API, RefusedError, Visit

CSRF_MISSING = "X-CSRF-Token request header is missing"
CSRF_INVALID = "X-CSRF-Token request header is invalid"
EXISTING = "Unprocessable Entity: validation failed.\npass: Your current password is missing or incorrect"
CONTENT_TYPES = frozenset({"application/json"})


def change(visit: Visit, user: User, changes: Changes) -> None:
    """Store *changes* of *user*, and renew or end sessions if the password is among them."""
    visit.site.accounts.change(user.uid, **changes)
    if "password" not in changes:
        return
    is_own = visit.is_by_session and visit.account is not None and visit.account.uid == user.uid
    own = visit.session if is_own else None
    visit.site.ledger.end_all(user.uid, Ending.PASSWORD_CHANGED, now=visit.site.now(), but=own)
    if own is not None:
        visit.send_cookie(visit.site.open_session(visit.origin, user.uid, instead_of=own))


async def patch_user(visit: Visit) -> web.Response:
    """Answer PATCH /user/{uid}?_format=json, which core's rest module routes whatever its `methods` say (measured)."""
    check_content_type(visit)
    user = find_user(visit)
    check_csrf(visit)
    _check_access(visit, user)
    document = decoded(await visit.request.read())
    change(visit, user, _changes(visit, user, {name: _first(value) for name, value in _fields(document).items()}))
    return visit.json(as_rest(visit.site.accounts.get(user.uid) or user, visit.account, visit.site.options))


async def patch_json_api(visit: Visit, user: User) -> web.Response:
    """Answer PATCH /jsonapi/user/user/{uuid}, where JSON:API is not read-only."""
    check_csrf(visit)
    _check_access(visit, user)
    document = decoded(await visit.request.read())
    attributes = _fields(_fields(_fields(document).get("data")).get("attributes"))
    change(visit, user, _changes(visit, user, attributes))
    changed = visit.site.accounts.get(user.uid) or user
    data = as_json_api(changed, visit.account, visit.site.options, visit.origin.base_url)
    document = {"jsonapi": visit.json_api_version, "data": data, "links": {"self": {"href": visit.url}}}
    return visit.json(document, content_type=JSON_API)


def check_content_type(visit: Visit) -> None:
    """Refuse with 415 what is no JSON (measured, Drupal 10.6/11.4)."""
    given = visit.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in CONTENT_TYPES:
        message = f'No route found that matches "Content-Type: {given}"'
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message)


def check_csrf(visit: Visit) -> None:
    """Refuse with 403 a session's request without its token. Measured: login's and /session/token's both count."""
    if not visit.is_by_session or visit.session is None:
        return
    given = visit.headers.get("x-csrf-token")
    if given is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, CSRF_MISSING)
    if given not in (visit.session.csrf_token, visit.session.rest_token):
        raise RefusedError(HTTPStatus.FORBIDDEN, CSRF_INVALID)


def _check_access(visit: Visit, user: User) -> None:
    if not is_administrator(visit) and (visit.account is None or visit.account.uid != user.uid):
        raise denied(visit)


def _changes(visit: Visit, user: User, fields: Mapping[str, Any]) -> Changes:
    """Return what *fields* change. Users have to confirm their own mail and password with the current one.

    As in core's constraint on these fields: 422 without it, which was not measured.
    """
    changes: Changes = {}
    mail, password = fields.get("mail"), fields.get("pass")
    given = password if isinstance(password, dict) else {"value": password}
    is_own = visit.account is not None and visit.account.uid == user.uid
    is_confirmed = not is_own or user.accepts(str(given.get("existing", "")))
    if mail is not None and mail != user.mail and not is_confirmed:
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, EXISTING.replace("pass:", "mail:"))
    if mail is not None:
        changes["mail"] = str(mail)
    if given.get("value") is not None and not is_confirmed:
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, EXISTING)
    if given.get("value") is not None:
        changes["password"] = str(given["value"])
    return changes


def _fields(document: object) -> dict[str, Any]:
    return document if isinstance(document, dict) else {}


def _first(value: Any) -> Any:
    """Return the value of a REST field: of a list its first item, of `{"value": x}` alone x."""
    if isinstance(value, list):
        value = value[0] if value else None
    return value["value"] if isinstance(value, dict) and list(value) == ["value"] else value
