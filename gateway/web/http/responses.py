"""Every answer has the same headers and the same form: JSON that nobody stores, marked as the gateway's."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Annotated, Literal, NotRequired

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict  # pydantic accepts typing.TypedDict only from Python 3.12 on

from gateway.errors import GatewayError, Malformed, Throttled, TransactionClosed, Unavailable, WrongOtp
from gateway.languages import ENGLISH, Language
from gateway.web.http.statuses import WORDS, status_of

FIXED = {
    "Content-Type": "application/json;charset=utf-8",
    "Cache-Control": "no-store",
    "X-Answered-By": "headgate",
    "X-Content-Type-Options": "nosniff",
}

Message = Annotated[str, Field(description="One sentence for a person, in the language of `Accept-Language`.")]
Echoed = Annotated[str, Field(description="As it was sent.")]


class Problem(TypedDict):
    """The request was refused, or the gateway could not do what was asked for."""

    username: NotRequired[Echoed]
    status: Literal["ERROR"]
    message: Message
    code: Annotated[str, Field(description="The word to decide by.")]


class Failed(TypedDict):
    """The code was wrong, or the login is over."""

    username: NotRequired[Echoed]
    transactionID: NotRequired[Echoed]
    authType: NotRequired[Echoed]
    status: Literal["FAILED"]
    message: Message
    code: Annotated[str, Field(description="The word to decide by.")]
    attemptsLeft: Annotated[int, Field(description="How many more codes may be tried.", ge=0)]


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


def problem(error: GatewayError, echo: Mapping[str, str], language: Language = ENGLISH) -> web.Response:
    """The answer for *error*. *echo* has the keys of the request's body that may be repeated, as they were sent."""
    message = language.say(error.sentence)
    body: Problem | Failed
    match error:
        case WrongOtp(attempts_left=left):
            body = failed(echo, message=message, code=error.word, attempts_left=left)
        case TransactionClosed():
            body = failed(echo, message=message, code=error.word, attempts_left=0)
        case _:
            body = {"status": "ERROR", "message": message, "code": error.word}
            if "username" in echo:
                body = {"username": echo["username"], **body}
    headers = {}
    if isinstance(error, (Throttled, Unavailable)):
        headers["Retry-After"] = str(max(1, whole_seconds(error.retry_after)))
    return answer(body, language=language, status=status_of(type(error)), headers=headers)


def failed(echo: Mapping[str, str], *, message: str, code: str, attempts_left: int) -> Failed:
    body: Failed = {"status": "FAILED", "message": message, "code": code, "attemptsLeft": attempts_left}
    repeated = {key: echo[key] for key in ("username", "transactionID", "authType") if key in echo}
    return {**repeated, **body}  # type: ignore[typeddict-item]  # what is repeated has Failed's own keys


def refused_by_http(status: int, language: Language = ENGLISH, *, allow: str | None = None) -> web.Response:
    """Our JSON in place of an error page of aiohttp's; it repeats nothing of the request."""
    word, sentence = WORDS.get(status, (Malformed.word, Malformed.sentence))
    headers = {"Allow": allow} if allow else {}
    body: Problem = {"status": "ERROR", "message": language.say(sentence), "code": word}
    status = status if status in WORDS else HTTPStatus.BAD_REQUEST
    return answer(body, language=language, status=status, headers=headers)


def whole_seconds(left: float) -> int:
    """Whole seconds, rounded up: a client that waits for them is never told to wait again."""
    return max(0, -int(-left // 1))
