"""Every answer has the same headers and the same form: JSON that nobody stores, marked as the gateway's."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from aiohttp import web

from gateway.language_choice import Language

FIXED = {
    "Content-Type": "application/json;charset=utf-8",
    "Cache-Control": "no-store",
    "X-Answered-By": "headgate",
    "X-Content-Type-Options": "nosniff",
}

# `json.dumps` would make an encoder for each answer.
as_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def answer(
    body: Mapping[str, object],
    *,
    language: Language | None = None,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """One JSON answer; *language* is that of its message, None where it has none.

    Every answer passes `finish_response`, which adds the request's id.
    """
    told = {} if language is None else {"Content-Language": language.tag}
    return web.Response(body=as_text(body).encode(), status=status, headers={**FIXED, **told, **(headers or {})})


def with_cookies(response: web.Response, cookies: Iterable[str]) -> web.Response:
    """Add whole Set-Cookie lines, byte for byte: aiohttp's own cookies would quote and reorder them."""
    for line in cookies:
        response.headers.add("Set-Cookie", line)
    return response


def whole_seconds(left: float) -> int:
    """Whole seconds, rounded up: a client that waits for them is never told to wait again."""
    return max(0, -int(-left // 1))
