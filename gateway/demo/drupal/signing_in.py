"""The handlers of JSON that core has without any module: login, login status, logout, session token, password reset."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web

from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.ledger import Ending
from gateway.demo.drupal.visit import UNEXPECTED, RefusedError, Visit

# The flood events, as Drupal's table names them. JSON and the form share the count per address, not the count per
# account.
BY_ADDRESS = "user.failed_login_ip"
BY_ACCOUNT = "user.http_login"
BY_ACCOUNT_IN_FORM = "user.failed_login_user"
# The sentences of the measured sites.
UNRECOGNIZED = {"10": "Sorry, unrecognized username or password.", "11": "Unrecognized username or password."}
BLOCKED = "The user has not been activated or is blocked."
ADDRESS_FLOOD = "Access is blocked because of IP based flood prevention."
ACCOUNT_FLOOD = "Too many failed login attempts from your IP address. This IP address is temporarily blocked."
UID_FLOOD = (
    "There have been more than {} failed login attempts for this account. "
    "It is temporarily blocked. Try again later or request a new password."
)
MAIL_BROKEN = "Unable to send email. Contact the site administrator if the problem persists."


class BrokenRequestError(RefusedError):
    """Input that makes Drupal fail: 500, in plain text."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED)


async def log_in(visit: Visit) -> web.Response:
    """Check name and password in Drupal's order: shape, flood, blocked, password.

    Measured, Drupal 11.4: `pass` as list or object fails only after the flood check.
    """
    visit.site.login_calls += 1
    if visit.account is not None:
        raise RefusedError(HTTPStatus.FORBIDDEN, "This route can only be accessed by anonymous users.")
    names, given = credentials(decoded(await visit.request.read()))
    user = visit.site.accounts.named(names, active=True)
    refuse_flood(visit, user, BY_ACCOUNT)
    times = visit.site.options.times
    if visit.site.accounts.named(names, active=False) is not None:
        await visit.site.work(times.blocked)
        raise RefusedError(HTTPStatus.BAD_REQUEST, BLOCKED)
    password = as_password(given)
    if user is None or not user.accepts(password):
        await visit.site.work(times.unknown if user is None else times.wrong)
        register_failure(visit, user, BY_ACCOUNT)
        raise RefusedError(HTTPStatus.BAD_REQUEST, UNRECOGNIZED[visit.site.options.major])
    await visit.site.work(times.right)
    visit.site.flood.clear(BY_ACCOUNT, flood_identifier(visit, user))
    session = await visit.log_in(user)
    current_user: dict[str, object] = {"uid": str(user.uid)}
    if user.is_administrator or visit.site.options.roles_visible:
        current_user["roles"] = ["authenticated", *user.roles]
    current_user["name"] = user.name
    tokens = {"csrf_token": session.csrf_token, "logout_token": session.logout_token}
    return visit.json({"current_user": current_user, **tokens})


async def login_status(visit: Visit) -> web.Response:
    """Answer 1 or 0, as text although JSON was asked for."""
    return visit.text("1" if visit.account else "0")


async def log_out(visit: Visit) -> web.Response:
    """End the session if the query holds its logout token."""
    await visit.site.work(visit.site.options.times.logout)
    check_logout_token(visit)
    visit.log_out(Ending.LOGGED_OUT)
    return visit.empty(HTTPStatus.NO_CONTENT)


async def session_token(visit: Visit) -> web.Response:
    """Return 43 characters. Measured: on 11.4 they are login's csrf_token, on 10.6 they are not."""
    session = visit.session if visit.account else None
    if session is None:
        return visit.text(visit.site.anonymous_token())
    return visit.text(session.csrf_token if visit.site.options.major == "11" else session.rest_token)


async def reset_password(visit: Visit) -> web.Response:
    """Send a one-time link by mail, with the host that the request claims; answer 200 for any name.

    Measured: if mail is broken, an existing account gets 400 and an anonymous session that holds the message.
    """
    body = decoded(await visit.request.read())
    name, mail = (body.get("name"), body.get("mail")) if isinstance(body, dict) else (None, None)
    if name is None and mail is None:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Missing credentials.name or credentials.mail")
    user = _addressee(visit, name, mail)
    if user is not None and visit.site.mail_broken:
        visit.send_cookie(visit.site.open_session(visit.origin, 0, instead_of=visit.session))
        raise RefusedError(HTTPStatus.BAD_REQUEST, MAIL_BROKEN)
    if user is not None:
        visit.site.reset_links.append(visit.site.one_time_link(user.uid, visit.origin.base_url))
    return visit.empty(HTTPStatus.OK, "application/json")


def check_logout_token(visit: Visit) -> None:
    """Raise RefusedError unless the query has the logout token of this session."""
    token = visit.query.get("token")
    if token is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, "'csrf_token' URL query argument is missing.")
    if visit.account is None or visit.session is None or token != visit.session.logout_token:
        raise RefusedError(HTTPStatus.FORBIDDEN, "'csrf_token' URL query argument is invalid.")


def decoded(body: bytes) -> Any:
    """Decode as PHP's json_decode does. Raises BrokenRequestError for what PHP refuses, even if Python accepts it."""
    try:
        text = body.decode()
        document = json.loads(text, parse_constant=_refuse, parse_int=_php_integer)
        json.dumps(document, ensure_ascii=False).encode()  # a lone surrogate fails here
    except (ValueError, RecursionError) as error:
        raise BrokenRequestError from error
    return document


def credentials(document: Any) -> tuple[Sequence[str], Any]:
    """Return the names and the password of a decoded body. The password is not checked.

    Measured, Drupal 11.4: `null` counts as missing, and any JSON value but an object has neither key.
    """
    fields = document if isinstance(document, dict) else {}
    missing = [key for key in ("name", "pass") if fields.get(key) is None]
    if missing:
        key = "" if len(missing) > 1 else f".{missing[0]}"
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"Missing credentials{key}.")
    name = fields["name"]
    names = list(name.values()) if isinstance(name, dict) else name if isinstance(name, list) else [name]
    if not names or any(isinstance(one, dict | list) for one in names):
        raise BrokenRequestError
    return [php_string(one) for one in names], fields["pass"]


def as_password(given: Any) -> str:
    """Return *given* as the string that PHP's strlen reads. Raises BrokenRequestError for a list or an object."""
    if isinstance(given, dict | list):
        raise BrokenRequestError
    return php_string(given)


def php_string(value: Any) -> str:
    """Return a scalar as PHP casts it to a string."""
    if isinstance(value, bool) or value is None:
        return "1" if value else ""
    return str(value)


def flood_identifier(visit: Visit, user: User) -> str:
    """Return the key under which failures for *user* count: uid and address, or uid alone with `uid_only`."""
    return str(user.uid) if visit.site.options.uid_only else f"{user.uid}-{visit.origin.address}"


def refuse_flood(visit: Visit, user: User | None, event: str) -> None:
    """Raise RefusedError if the address, or else the account, has failed too often."""
    options, flood = visit.site.options, visit.site.flood
    limit, window = options.ip_limit, options.ip_window_seconds
    if not flood.is_allowed(BY_ADDRESS, visit.origin.address, limit=limit, window=window):
        raise RefusedError(HTTPStatus.FORBIDDEN, ADDRESS_FLOOD)
    limit, window = options.user_limit, options.user_window_seconds
    if user and not flood.is_allowed(event, flood_identifier(visit, user), limit=limit, window=window):
        raise RefusedError(HTTPStatus.FORBIDDEN, UID_FLOOD.format(limit) if options.uid_only else ACCOUNT_FLOOD)


def register_failure(visit: Visit, user: User | None, event: str) -> None:
    """Add the flood rows of a wrong password: one per address, and one per account if the name is known."""
    if user is not None:
        visit.site.flood.register(event, flood_identifier(visit, user))
    visit.site.flood.register(BY_ADDRESS, visit.origin.address)


def _addressee(visit: Visit, name: Any, mail: Any) -> User | None:
    if name is not None:
        return visit.site.accounts.named([php_string(name)], active=True)
    return next((user for user in visit.site.accounts if user.active and user.mail == mail), None)


def _php_integer(digits: str) -> int | float:
    return int(digits) if len(digits) < len(str(2**63)) else float(digits)


def _refuse(constant: str) -> None:
    raise ValueError(constant)
