"""What Drupal's answers to a login mean. Nothing here sends a request.

| answer | meaning |
|---|---|
| 200, JSON with a string `current_user.uid`, and a session cookie | the password was right |
| 400, JSON with `message` | the login was refused |
| 403, JSON with `message` | flood control, of the address or of the account |
| 503 | maintenance |
| anything else | not an answer of Drupal's that the gateway understands |

No meaning depends on a whole sentence, since sentences change between minor versions (measured, Drupal 10.6 and 11.4).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from gateway.account import DrupalSession
from gateway.drupal.cookies import opened_cookies
from gateway.errors import BadCredentials, DrupalInvalid, DrupalMaintenance, Flood, GatewayError

# Drupal's flood window for an address is an hour (user.flood: ip_window 3600) and it sends no Retry-After.
ADDRESS_FLOOD_SECONDS = 3600
MAINTENANCE_SECONDS = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer of Drupal's, read to its end. *cookies* are its Set-Cookie lines."""

    status: int
    content_type: str
    cookies: tuple[str, ...] = field(repr=False)
    body: bytes = field(repr=False)
    location: str = field(default="", repr=False)

    def json(self) -> Mapping[str, object]:
        """The body as a JSON object; empty if it is anything else."""
        if self.content_type not in ("application/json", "application/vnd.api+json"):
            return {}
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


def opened_session(answer: Answer) -> DrupalSession:
    """Return the session of a login that Drupal accepted. Raises the error that any other answer stands for."""
    if answer.status != HTTPStatus.OK:
        raise login_refusal(answer)
    document = answer.json()
    user = document.get("current_user")
    uid = user.get("uid") if isinstance(user, dict) else None
    opened = opened_cookies(answer.cookies)
    if not isinstance(user, dict) or not isinstance(uid, str) or not uid.isdecimal() or len(opened) != 1:
        raise DrupalInvalid("login_200")
    (cookie,) = opened
    roles = user.get("roles")
    return DrupalSession(
        uid=uid,
        name=_text(user.get("name")),
        roles=tuple(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else (),
        cookie_name=cookie.name,
        cookie_value=cookie.value,
        set_cookie=cookie.line,
        csrf_token=_text(document.get("csrf_token")),
        logout_token=_text(document.get("logout_token")),
    )


def login_refusal(answer: Answer) -> GatewayError:
    """The error that an answer to a login stands for when its status is not 200."""
    message = answer.json().get("message")
    if answer.status == HTTPStatus.BAD_REQUEST and isinstance(message, str):
        return BadCredentials("refused")
    if answer.status == HTTPStatus.FORBIDDEN and isinstance(message, str):
        if "flood prevention" in message:
            return Flood("drupal_address", retry_after=ADDRESS_FLOOD_SECONDS)
        # Drupal's sentence says whether the account exists, so the frontend gets the sentence for a wrong password.
        return BadCredentials("drupal_account_flood" if "failed login attempts" in message else "drupal_forbidden")
    return unusable(answer)


def unusable(answer: Answer) -> GatewayError:
    """The error for an answer that was not expected."""
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return DrupalMaintenance("http_503", retry_after=MAINTENANCE_SECONDS)
    return DrupalInvalid(f"http_{answer.status}")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
