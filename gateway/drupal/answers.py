"""What Drupal's answers mean: parse, tolerate, classify; nothing here sends.

No whole sentence decides, since sentences change between minor versions (measured: 10.6 and 11.4 differ); a safe
default does. Rules: 200 + JSON + string `current_user.uid` is in; 400 + JSON `message` is a refusal; 403 + JSON
`message` is flood control, of the address or of the account; 503 is maintenance; everything else is not Drupal's.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from gateway.account import DrupalSession
from gateway.errors import BadCredentials, DrupalInvalid, DrupalMaintenance, Flood, GatewayError

# Drupal's flood window for an address is an hour (user.flood: ip_window 3600) and it sends no Retry-After.
ADDRESS_FLOOD_SECONDS = 3600
MAINTENANCE_SECONDS = 30

# SESS or SSESS + 32 hex digits of SHA-256 over the host (measured, Drupal 10.6 and 11.4).
SESSION_COOKIE = re.compile(r"(?P<name>S?SESS[0-9a-f]{32})=(?P<value>[^;\s]*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One whole answer of Drupal's."""

    status: int
    content_type: str
    cookies: tuple[str, ...] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Mapping[str, object]:
        """The body as a JSON object; an empty one when it is anything else."""
        if self.content_type not in ("application/json", "application/vnd.api+json"):
            return {}
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


def session_cookie(cookies: Sequence[str]) -> tuple[str, str, str] | None:
    """Name, value and whole line of the session that an answer opened; the last live one counts, as in a browser."""
    for line in reversed(cookies):
        match = SESSION_COOKIE.match(line)
        if match and match["value"] not in ("", "deleted"):
            return match["name"], match["value"], line
    return None


def opened_session(answer: Answer) -> DrupalSession:
    """Return the session of a login that Drupal accepted. Raises what the answer means otherwise."""
    if answer.status != HTTPStatus.OK:
        raise login_refusal(answer)
    document = answer.json()
    user = document.get("current_user")
    uid = user.get("uid") if isinstance(user, dict) else None
    cookie = session_cookie(answer.cookies)
    if not isinstance(user, dict) or not isinstance(uid, str) or not uid.isdecimal() or cookie is None:
        raise DrupalInvalid("login_200")
    roles = user.get("roles")
    return DrupalSession(
        uid=uid,
        name=_text(user.get("name")),
        roles=tuple(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else (),
        cookie_name=cookie[0],
        cookie_value=cookie[1],
        set_cookie=cookie[2],
        csrf_token=_text(document.get("csrf_token")),
        logout_token=_text(document.get("logout_token")),
    )


def login_refusal(answer: Answer) -> GatewayError:
    """The error that an answer to a login other than 200 stands for."""
    message = answer.json().get("message")
    if answer.status == HTTPStatus.BAD_REQUEST and isinstance(message, str):
        return BadCredentials("refused")
    if answer.status == HTTPStatus.FORBIDDEN and isinstance(message, str):
        if "flood prevention" in message:
            return Flood("drupal_address", retry_after=ADDRESS_FLOOD_SECONDS)
        # Its sentence says whether the account exists, so it must not come through.
        return BadCredentials("drupal_account_flood" if "failed login attempts" in message else "drupal_forbidden")
    return unusable(answer)


def unusable(answer: Answer) -> GatewayError:
    """The error for an answer that has no meaning of its own where it came."""
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return DrupalMaintenance("http_503", retry_after=MAINTENANCE_SECONDS)
    return DrupalInvalid(f"http_{answer.status}")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
