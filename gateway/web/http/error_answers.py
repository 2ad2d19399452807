"""The answer for every error: its status, its word and its sentence as JSON. `statuses` has the table of statuses."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Literal, NotRequired

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict  # pydantic accepts typing.TypedDict only from Python 3.12 on

from gateway.errors import GatewayError, Malformed, Throttled, TransactionClosed, Unavailable, WrongOtp
from gateway.language_choice import ENGLISH, Language
from gateway.web.http.responses import answer, whole_seconds
from gateway.web.http.statuses import WORDS, status_of

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
