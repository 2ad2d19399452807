"""The HTTP status of every error: the one table, and the errors that only HTTP knows."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from gateway.errors import (
    BadCredentials,
    Disabled,
    DrupalInvalid,
    DrupalTimeout,
    ForeignOrigin,
    GatewayError,
    GrantRefused,
    LoginBlocked,
    Malformed,
    NoDestination,
    NotEnrolled,
    SessionEnded,
    Throttled,
    TransactionClosed,
    Unavailable,
    UnknownApiKey,
    WrongOtp,
)
from gateway.language_choice import msgid

STATUS: Mapping[type[GatewayError], HTTPStatus] = {
    GatewayError: HTTPStatus.INTERNAL_SERVER_ERROR,
    Malformed: HTTPStatus.BAD_REQUEST,
    UnknownApiKey: HTTPStatus.BAD_REQUEST,
    BadCredentials: HTTPStatus.UNAUTHORIZED,
    WrongOtp: HTTPStatus.FORBIDDEN,
    TransactionClosed: HTTPStatus.FORBIDDEN,
    LoginBlocked: HTTPStatus.FORBIDDEN,
    SessionEnded: HTTPStatus.FORBIDDEN,
    GrantRefused: HTTPStatus.FORBIDDEN,
    NotEnrolled: HTTPStatus.FORBIDDEN,
    ForeignOrigin: HTTPStatus.FORBIDDEN,
    Disabled: HTTPStatus.NOT_FOUND,
    NoDestination: HTTPStatus.UNPROCESSABLE_ENTITY,
    Throttled: HTTPStatus.TOO_MANY_REQUESTS,
    DrupalInvalid: HTTPStatus.BAD_GATEWAY,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    DrupalTimeout: HTTPStatus.GATEWAY_TIMEOUT,
}

# The word and the sentence for a status that HTTP itself answers with, before a handler has run.
WORDS: Mapping[int, tuple[str, str]] = {
    HTTPStatus.NOT_FOUND: ("not_found", msgid("There is nothing here.")),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method", msgid("This HTTP method is not allowed here.")),
    HTTPStatus.MISDIRECTED_REQUEST: ("misdirected", msgid("This server does not answer for this host name.")),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too_large", msgid("The request is too large.")),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("media_type", msgid("The request must be JSON in UTF-8.")),
    HTTPStatus.INTERNAL_SERVER_ERROR: (GatewayError.word, GatewayError.sentence),
}


class HttpError(GatewayError):
    """The parent of the errors that only HTTP knows: a wrong type, a wrong size."""

    status: ClassVar[HTTPStatus]


class TooLarge(HttpError):
    word, sentence = WORDS[HTTPStatus.REQUEST_ENTITY_TOO_LARGE]
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class MediaType(HttpError):
    word, sentence = WORDS[HTTPStatus.UNSUPPORTED_MEDIA_TYPE]
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


def status_of(kind: type[GatewayError]) -> HTTPStatus:
    """The status of *kind*, or of its nearest parent in the table: a child answers like its parent."""
    if issubclass(kind, HttpError):
        return kind.status
    return next(STATUS[parent] for parent in kind.__mro__ if parent in STATUS)
