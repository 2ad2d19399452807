"""Ending a session at Drupal.

With the logout token, this takes one POST. Without the token, or where Drupal refuses a visitor's token, the gateway
uses Drupal's own page, as a user would.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

from gateway.drupal.answers import Answer, unusable
from gateway.drupal.forms import forms_of
from gateway.drupal.peer import Peer
from gateway.errors import DrupalInvalid

# Drupal has ended the session: by the token, or by its page (measured, Drupal 10.6 and 11.4).
_ENDED: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER})


async def log_out(drupal: Peer, logout_token: str, headers: Mapping[str, str], *, is_visitors: bool) -> Answer:
    """End the session whose cookie stands in *headers*; return Drupal's last answer. Raises as `Peer.ask`.

    *is_visitors*: the cookie and the token came from a client, and may not belong together.
    """
    if not logout_token:
        return await log_out_by_form(drupal, headers)
    # The token must stand in the query, and is called `token` (measured).
    path = f"/user/logout?_format=json&token={quote(logout_token, safe='')}"
    answer = await drupal.ask("POST", path, headers)
    if answer.status == HTTPStatus.FORBIDDEN and (is_visitors or not is_drupals_own(answer)):
        # The session is dead, or the token is not the session's, or a firewall has refused the request. Drupal's page
        # tells them apart.
        return await log_out_by_form(drupal, headers)
    if answer.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.FORBIDDEN}:
        raise unusable(answer)
    return answer


def is_drupals_own(refusal: Answer) -> bool:
    """Whether Drupal itself sent *refusal*: its JSON has a message, a firewall's page has not."""
    return isinstance(refusal.json().get("message"), str)


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
    if answer.status in _ENDED or (answer.status == HTTPStatus.FORBIDDEN and await is_anonymous(drupal, headers)):
        return answer
    raise unusable(answer)


async def is_anonymous(drupal: Peer, headers: Mapping[str, str]) -> bool:
    """Whether Drupal says that nobody is logged in with the cookie in *headers* (measured, Drupal 10.6 and 11.4)."""
    answer = await drupal.ask("GET", "/user/login_status?_format=json", headers)
    return answer.status == HTTPStatus.OK and answer.body.strip() == b"0"


def logout_form(page: Answer) -> list[tuple[str, str]]:
    """The fields of the form that asks whether to log out. Raises DrupalInvalid where there is none."""
    forms = forms_of(page, "user_logout_confirm")
    if not forms:
        raise DrupalInvalid("logout_form")
    inputs = [field.attributes for field in forms[0].css("input[name]")]
    return [(field["name"] or "", field.get("value") or "") for field in inputs]
