"""Every answer has the same headers and the same shape: JSON, never stored, and says who answered."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from aiohttp import web

from gateway.errors import GatewayError, Malformed, Throttled, TransactionClosed, Unavailable, WrongOtp
from gateway.languages import ENGLISH, Language
from gateway.web.http.statuses import WORDS, status_of

FIXED = {
    "Content-Type": "application/json;charset=utf-8",
    "Cache-Control": "no-store",
    "X-Answered-By": "headgate",
    "X-Content-Type-Options": "nosniff",
}


def answer(
    body: Mapping[str, object],
    *,
    language: Language | None = None,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """One JSON answer, in *language* if a person is to read it; the request id is added where every answer passes."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    told = {} if language is None else {"Content-Language": language.tag}
    return web.Response(body=text, status=status, headers={**FIXED, **told, **(headers or {})})


def with_cookies(response: web.Response, cookies: Iterable[str]) -> web.Response:
    """Add whole Set-Cookie lines, byte for byte: aiohttp's own cookies would quote and reorder them."""
    for line in cookies:
        response.headers.add("Set-Cookie", line)
    return response


def problem(error: GatewayError, echo: Mapping[str, str], language: Language = ENGLISH) -> web.Response:
    """The answer that *error* stands for. *echo* is what a body told of itself, as sent."""
    body: dict[str, object] = {key: echo[key] for key in ECHOED_IF_FAILED if key in echo}
    sentence = language.say(error.sentence)
    match error:
        case WrongOtp(attempts_left=left):
            body |= {"status": "FAILED", "message": sentence, "code": error.word, "attemptsLeft": left}
        case TransactionClosed():
            body |= {"status": "FAILED", "message": sentence, "code": error.word, "attemptsLeft": 0}
        case _:
            body = {"username": echo["username"]} if "username" in echo else {}
            body |= {"status": "ERROR", "message": sentence, "code": error.word}
    headers = {}
    if isinstance(error, (Throttled, Unavailable)):
        headers["Retry-After"] = str(max(1, whole_seconds(error.retry_after)))
    return answer(body, language=language, status=status_of(type(error)), headers=headers)


ECHOED_IF_FAILED = ("username", "transactionID", "authType")


def refused_by_http(status: int, language: Language = ENGLISH, *, allow: str | None = None) -> web.Response:
    """Our JSON for what aiohttp would answer by itself; nothing of the request stands in it."""
    word, sentence = WORDS.get(status, (Malformed.word, Malformed.sentence))
    headers = {"Allow": allow} if allow else {}
    body = {"status": "ERROR", "message": language.say(sentence), "code": word}
    status = status if status in WORDS else HTTPStatus.BAD_REQUEST
    return answer(body, language=language, status=status, headers=headers)


def whole_seconds(left: float) -> int:
    """Whole seconds, rounded up: a client that waits for them is never told to wait again."""
    return max(0, -int(-left // 1))
