"""Ending a session at Drupal.

With the logout token: one POST. Without it, or where Drupal refuses a visitor's token: Drupal's own page, as a user
would do it.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

from selectolax.lexbor import LexborHTMLParser

from gateway.drupal.answers import Answer, unusable
from gateway.drupal.peer import Peer
from gateway.errors import DrupalInvalid

# Both mean that the session is gone (measured, Drupal 10.6 and 11.4).
_GONE: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.FORBIDDEN})
_GONE_BY_FORM: Final = _GONE | {HTTPStatus.FOUND, HTTPStatus.SEE_OTHER}


async def log_out(drupal: Peer, logout_token: str, headers: Mapping[str, str], *, is_visitors: bool) -> Answer:
    """End the session whose cookie stands in *headers*; return Drupal's last answer. Raises as `Peer.ask`.

    *is_visitors*: the cookie and the token came from a client, and may not belong together.
    """
    if not logout_token:
        return await log_out_by_form(drupal, headers)
    # The token must stand in the query, and is called `token` (measured).
    path = f"/user/logout?_format=json&token={quote(logout_token, safe='')}"
    answer = await drupal.ask("POST", path, headers)
    if is_visitors and answer.status == HTTPStatus.FORBIDDEN:
        # Either the session is dead, or the token is not the session's: Drupal's page tells them apart.
        return await log_out_by_form(drupal, headers)
    if answer.status not in _GONE:
        raise unusable(answer)
    return answer


async def log_out_by_form(drupal: Peer, headers: Mapping[str, str]) -> Answer:
    """End the session by Drupal's page that asks whether to log out."""
    headers = {**headers, "Accept": "text/html"}
    question = await drupal.ask("GET", "/user/logout/confirm", headers)
    if question.status == HTTPStatus.NOT_FOUND:
        # Before 10.3, Drupal did not ask.
        answer = await drupal.ask("GET", "/user/logout", headers)
    elif question.status == HTTPStatus.OK:
        form = urlencode(logout_form(question)).encode()
        form_type = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await drupal.ask("POST", "/user/logout/confirm", headers | form_type, form)
    else:
        answer = question
    if answer.status not in _GONE_BY_FORM:
        raise unusable(answer)
    return answer


def logout_form(page: Answer) -> list[tuple[str, str]]:
    """The fields of the form that asks whether to log out. Raises DrupalInvalid where there is none."""
    html = LexborHTMLParser(page.body.decode(errors="replace"))
    marker = html.css_first('form input[name="form_id"][value="user_logout_confirm"]')
    form = marker.parent if marker else None
    while form is not None and form.tag != "form":
        form = form.parent
    if form is None:
        raise DrupalInvalid("logout_form")
    inputs = [field.attributes for field in form.css("input[name]")]
    return [(field["name"] or "", field.get("value") or "") for field in inputs]
