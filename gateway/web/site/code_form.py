"""Reads what the code page's forms send, and refuses what no form of that page can have sent.

The page's cookie is `SameSite=Lax`, which a page on another host of the same site passes. So each request must also say
that it comes from this origin, and must have the token that only the page shows.
"""

import hmac
from dataclasses import dataclass, field
from typing import Final, Literal, get_args
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.errors import ForeignOrigin, Malformed
from gateway.web.http.json_body import demand_usable, whole_body

MOST_BYTES: Final = 8 * 1024
_TYPE: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 8
# How long each field may be. The longest authType has 19 characters.
_FIELDS: Final = {"form_token": 128, "action": 16, "otp": 64, "remember": 8, "method": 64, "shown": 64}

Action = Literal["verify", "resend", "switch", "cancel"]
_ACTIONS: Final = frozenset(get_args(Action))


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeForm:
    """What a form sent. *shown* is the method that its page asked for; empty if the form does not say."""

    action: str
    token: str = field(repr=False)
    otp: str = field(default="", repr=False)
    method: str = ""
    shown: str = ""
    remember: bool = False


async def read_form(request: web.Request) -> CodeForm:
    """Return what a form of the page on this origin sent. Raises Malformed, MediaType, TooLarge."""
    return parse_form(await whole_body(request, media_type=_TYPE, most_bytes=MOST_BYTES))


def parse_form(body: bytes) -> CodeForm:
    """Read the fields strictly. Raises Malformed for a field that is unknown, doubled, too long or no plain text."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise Malformed("form") from None
    fields = dict(pairs)
    if len(fields) != len(pairs) or not all(_is_usable(name, value) for name, value in pairs):
        raise Malformed("form")
    action = fields.get("action", "")
    if action not in _ACTIONS or (action == "switch" and not fields.get("method")):
        raise Malformed("action")
    return CodeForm(
        action=action,
        token=fields.get("form_token", ""),
        otp=fields.get("otp", ""),
        method=fields.get("method", ""),
        shown=fields.get("shown", ""),
        remember="remember" in fields,
    )


def _is_usable(name: str, value: str) -> bool:
    try:
        # A code that was pasted may end with a tab.
        return len(value) <= _FIELDS.get(name, -1) and demand_usable(value).replace("\t", " ").isprintable()
    except ValueError:
        return False


def demand_own_page(request: web.Request, *, origin: str) -> None:
    """Raise ForeignOrigin unless the browser says that a page of *origin* sent the request.

    Every browser sends `Origin` with a form. One that leaves it out must say the same by `Sec-Fetch-Site`, or must be
    too old for both.
    """
    sites = request.headers.getall("Sec-Fetch-Site", [])
    if sites not in ([], ["same-origin"]):
        raise ForeignOrigin("sec_fetch_site")
    if request.headers.getall("Origin", [origin]) != [origin]:
        raise ForeignOrigin("origin")


def demand_token(form: CodeForm, token: str) -> None:
    """Raise ForeignOrigin unless the form is of the login whose *token* this is."""
    if not hmac.compare_digest(form.token.encode(), token.encode()):
        raise ForeignOrigin("form_token")
