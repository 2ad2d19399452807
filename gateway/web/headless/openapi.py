"""The API as an OpenAPI 3.1 document, made from the same shapes and errors that serve it, and a page to read it."""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from gateway import __version__, errors
from gateway.errors import GatewayError
from gateway.web.headless import bodies
from gateway.web.http.responses import FIXED
from gateway.web.http.statuses import WORDS, MediaType, TooLarge, status_of

PAGES = Path(__file__).parent / "pages"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
POLICY = "default-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Done(BaseModel):
    """Every answer has these."""

    status: Literal["SUCCESS"]
    message: str = Field(description="one sentence for a person")


class Named(Done):
    username: str = Field(description="as sent")


class Opened(Named):
    """A login that waits for its code; times in seconds."""

    transactionID: str  # noqa: N815  # the module's word
    authType: str  # noqa: N815
    destination: str = Field(description="masked")
    expiresIn: int  # noqa: N815
    resendIn: int  # noqa: N815
    methods: list[str]


class Resent(Opened):
    resendsLeft: int  # noqa: N815


class Session(BaseModel):
    csrf_token: str
    logout_token: str


class Entered(Named):
    userprofile: dict[str, list[dict[str, Any]]] = Field(description="Drupal's entity shape")
    session: Session
    rememberToken: str = Field(default="", description="if the device is remembered; works once")  # noqa: N815


class LoggedIn(Entered):
    """Drupal's session cookie is set on this answer."""

    manageToken: str = Field(description="lets its owner change his factors, 10 minutes")  # noqa: N815


class Exempted(Entered):
    """A login that needs no code: Drupal's session cookie is set on this answer."""

    authType: Literal["NONE"]  # noqa: N815


class Standing(Named):
    delivery: Literal["queued", "sent", "failed"]
    carriedBy: str | None = Field(default=None, description="the authType that was sent; only once one was")  # noqa: N815
    authType: str  # noqa: N815
    expiresIn: int  # noqa: N815
    resendIn: int  # noqa: N815
    attemptsLeft: int  # noqa: N815


class Proposed(Done):
    """A secret for an app; it counts from `confirm` on."""

    secret: str = Field(description="base32, to be typed")
    otpauth: str = Field(description="a link that opens the app on a phone")
    qr: str = Field(description="an inline SVG")


class ShownOnce(Done):
    recoveryCodes: list[str]  # noqa: N815


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    summary: str
    body: type[bodies.Body]
    answer: type[Done]
    errors: tuple[type[GatewayError], ...]
    instead: type[Done] | None = None


EVERYWHERE = (
    errors.Malformed,
    errors.UnknownApiKey,
    errors.ForeignOrigin,
    errors.Disabled,
    errors.StoreUnavailable,
    TooLarge,
    MediaType,
    GatewayError,
)
MANAGING = (errors.TransactionClosed, errors.NotEnrolled, errors.Flood, errors.AccountLocked, errors.FactorBusy)
DRUPAL = (errors.DrupalInvalid, errors.DrupalTimeout, errors.DrupalUnavailable, errors.DrupalBusy)

OPERATIONS: Mapping[str, Operation] = {
    "authenticate": Operation(
        summary="Check name and password, send a code",
        body=bodies.Authenticate,
        answer=Opened,
        instead=Exempted,
        errors=(
            *DRUPAL,
            errors.PolicyUnreadable,
            errors.BadCredentials,
            errors.NotEnrolled,
            errors.NoDestination,
            errors.Flood,
            errors.AccountLocked,
            errors.DeliveryUnavailable,
        ),
    ),
    "login": Operation(
        summary="Hand the session over for the right code",
        body=bodies.Login,
        answer=LoggedIn,
        errors=(errors.WrongOtp, errors.TransactionClosed, errors.Flood, errors.FactorBusy),
    ),
    "resend": Operation(
        summary="Send the same code again, or by another method",
        body=bodies.Resend,
        answer=Resent,
        errors=(
            errors.TransactionClosed,
            errors.TooSoon,
            errors.Flood,
            errors.NotEnrolled,
            errors.DeliveryUnavailable,
        ),
    ),
    "status": Operation(
        summary="Whether the code was sent, and how long it works",
        body=bodies.Status,
        answer=Standing,
        errors=(errors.TransactionClosed,),
    ),
    "cancel": Operation(
        summary="End a login that waits for its code",
        body=bodies.Cancel,
        answer=Named,
        errors=(errors.TransactionClosed,),
    ),
    "logout": Operation(
        summary="End Drupal's session and delete its cookie", body=bodies.Logout, answer=Done, errors=DRUPAL
    ),
    "totp_enroll": Operation(
        summary="Propose a secret for an authenticator app",
        body=bodies.TotpEnroll,
        answer=Proposed,
        errors=(errors.TransactionClosed, errors.Flood),
    ),
    "totp_confirm": Operation(
        summary="Enrol the app with its first code, and get recovery codes",
        body=bodies.TotpConfirm,
        answer=ShownOnce,
        errors=(errors.WrongOtp, *MANAGING),
    ),
    "totp_remove": Operation(
        summary="Take the app and the recovery codes away",
        body=bodies.TotpRemove,
        answer=Done,
        errors=(errors.WrongOtp, *MANAGING),
    ),
    "recovery_codes": Operation(
        summary="Get ten new recovery codes; the old ones die",
        body=bodies.RecoveryCodes,
        answer=ShownOnce,
        errors=MANAGING,
    ),
}


def path_of(name: str) -> str:
    """The path under /headless of the endpoint *name*: `totp_enroll` is `totp/enroll`."""
    return name.replace("totp_", "totp/").replace("_", "-")


@functools.cache
def document() -> dict[str, object]:
    """OpenAPI 3.1 of all operations."""
    shapes = [shape for one in OPERATIONS.values() for shape in (one.body, one.answer, one.instead) if shape]
    _, definitions = models_json_schema(
        [(shape, "validation") for shape in dict.fromkeys(shapes)], ref_template="#/components/schemas/{model}"
    )
    for operation in OPERATIONS.values():
        shape = definitions["$defs"][operation.body.__name__]
        # Missing is answered like unknown, so the shape itself lets it be.
        shape["required"] = ["apiKey", *shape.get("required", [])]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headgate",
            "version": __version__,
            "description": "A second factor in front of Drupal. Every answer is JSON and has a status, a message "
            "and, unless the status is SUCCESS, a stable code.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {f"/headless/{path_of(name)}": {"post": described(name, one)} for name, one in OPERATIONS.items()},
        "components": {"schemas": {**definitions["$defs"], "Problem": PROBLEM}},
    }


PROBLEM: Mapping[str, object] = {
    "title": "Problem",
    "description": "What every answer but SUCCESS has. FAILED: the code was wrong or the transaction is closed.",
    "type": "object",
    "required": ["status", "message", "code"],
    "properties": {
        "status": {"enum": ["FAILED", "ERROR"]},
        "message": {"type": "string"},
        "code": {"type": "string"},
        "username": {"type": "string"},
        "transactionID": {"type": "string"},
        "authType": {"type": "string"},
        "attemptsLeft": {"type": "integer"},
    },
}


ACCEPT_LANGUAGE: Mapping[str, object] = {
    "name": "Accept-Language",
    "in": "header",
    "description": "the language of the message, and of the code's for an account that has none of its own",
    "schema": {"type": "string"},
    "example": "de-AT, en;q=0.5",
}


def described(name: str, operation: Operation) -> dict[str, object]:
    body = {"schema": {"$ref": f"#/components/schemas/{operation.body.__name__}"}}
    answers = [
        {"$ref": f"#/components/schemas/{shape.__name__}"} for shape in (operation.answer, operation.instead) if shape
    ]
    answer = {"schema": answers[0] if len(answers) == 1 else {"anyOf": answers}}
    success = {"description": operation.summary, "content": {"application/json": answer}}
    return {
        "operationId": name,
        "summary": operation.summary,
        "parameters": [ACCEPT_LANGUAGE],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"200": success, **problems((*operation.errors, *EVERYWHERE))},
    }


def problems(kinds: Sequence[type[GatewayError]]) -> dict[str, object]:
    """One entry per status, with the words it can carry."""
    words: dict[HTTPStatus, list[str]] = {HTTPStatus.METHOD_NOT_ALLOWED: [WORDS[HTTPStatus.METHOD_NOT_ALLOWED][0]]}
    for kind in kinds:
        words.setdefault(status_of(kind), []).append(kind.word)
    return {
        str(int(status)): {
            "description": ", ".join(dict.fromkeys(several)),
            "content": {
                "application/json": {
                    "schema": {
                        "allOf": [
                            {"$ref": "#/components/schemas/Problem"},
                            {"properties": {"code": {"enum": list(dict.fromkeys(several))}}},
                        ]
                    }
                }
            },
        }
        for status, several in sorted(words.items())
    }


async def openapi(_request: web.Request) -> web.Response:
    return web.Response(body=_document_bytes(), headers=FIXED)


@functools.cache
def _document_bytes() -> bytes:
    return json.dumps(document(), ensure_ascii=False).encode()


async def docs(request: web.Request) -> web.Response:
    """The page, and what it is made of."""
    path = PAGES / request.match_info.get("name", "docs.html")
    # Looked for among what is there: to ask for a name that is too long is an error of the file system's.
    if path.suffix not in TYPES or path not in PAGES.iterdir():
        raise web.HTTPNotFound
    return web.Response(
        text=path.read_text(encoding="utf-8"),
        content_type=TYPES[path.suffix],
        charset="utf-8",
        headers={
            "X-Answered-By": "headgate",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "Content-Security-Policy": POLICY,
        },
    )
