"""One-time links: the form that asks for one, the page that one leads to, and the login. Measured, Drupal 10.6/11.4."""

import hmac
import re
import secrets
from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal import markup
from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.login_form import profile_url, submitted
from gateway.demo.drupal.routing import READS_AND_POST, Handler, only, page
from gateway.demo.drupal.visit import RefusedError, Visit

LIFETIME_SECONDS = 86_400
# PHP's cast of a number: blanks in front, zeros, and a fraction are all the same number.
NUMBER = re.compile(r"\s*(\d+)(?:\.\d*)?\s*")
SENT = "If {} is a valid account, an email will be sent with instructions to reset your password."
EXPIRED = "You have tried to use a one-time login link that has expired. Request a new one using the form below."
USED = "You have tried to use a one-time login link that has either been used or is no longer valid."


def find(visit: Visit) -> Handler | None:
    """Return the handler below /user/password and /user/reset, if the path is there."""
    match visit.segments:
        case ["user", "password"]:
            return page(visit, request_link)
        case ["user", "reset", _]:
            return page(visit, confirm)
        case ["user", "reset", _, _, _]:
            return only(visit, READS_AND_POST, land)
        case ["user", "reset", _, _, _, "login"]:
            return only(visit, READS_AND_POST, log_in)
        case _:
            return None


async def request_link(visit: Visit) -> web.Response:
    """Send a link by mail. The answer is the same for an unknown name; a message makes an anonymous session."""
    fields = await visit.form()
    if fields.get("form_id") != "user_pass" or not fields.get("name"):
        return visit.html("Reset your password", markup.FORGOTTEN)
    name = fields["name"]
    user = visit.site.accounts.named([name], active=True)
    if user is not None:
        visit.site.reset_links.append(visit.site.one_time_link(user.uid, visit.origin.base_url))
    visit.add_message(SENT.format(name))
    return submitted(visit, f"{visit.origin.base_url}/")


async def land(visit: Visit) -> web.Response:
    """Keep the link in the session, and lead to the page that asks for a click."""
    _, _, uid, stamp, given = visit.written[1:].split("/")
    visit.remember("pass_reset", (uid, stamp, given))
    return visit.redirect(f"{visit.origin.base_url}/user/reset/{uid}")


async def confirm(visit: Visit) -> web.Response:
    """Show the button that logs in, to the visitor who came by a link."""
    uid, stamp, given = visit.recall("pass_reset") or ("", "", "")
    if uid != visit.segments[2]:
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    action = f"/user/reset/{uid}/{stamp}/{given}/login"
    return visit.html("Reset password", markup.one_time_login(action))


async def log_in(visit: Visit) -> web.Response:
    """Log in the user of a link, under every method and format.

    Measured: `02` is no uid, but `02`, `2.0` and a blank in front are the number 2 where a time is expected. A link of
    the same second as the last login works again, since it is signed with the time of that login. GET, HEAD and POST
    log in without the page before.
    """
    _, _, uid, stamp, given, _ = visit.written[1:].split("/")
    user = visit.site.accounts.get(int(uid)) if uid.isdecimal() and uid == str(int(uid)) else None
    if user is None or not user.active or (visit.account is not None and visit.session is None):
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    number = NUMBER.fullmatch(stamp)
    refused = _refusal(visit, user, int(number[1]) if number else 0, given)
    if refused is not None:
        visit.add_message(refused)
        return visit.redirect(f"{visit.origin.base_url}/user/password")
    session = await visit.log_in(user)
    token = secrets.token_urlsafe(41)
    session.data[f"pass_reset_{user.uid}"] = token
    return visit.redirect(f"{profile_url(visit, user)}/edit?pass-reset-token={token}")


def _refusal(visit: Visit, user: User, stamp: int, given: str) -> str | None:
    now = int(visit.site.now())
    if user.last_login and now - stamp > LIFETIME_SECONDS:
        return EXPIRED
    expected = visit.site.one_time_hash(user, stamp)
    is_right = hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())
    return None if is_right and int(user.last_login) <= stamp <= now else USED
