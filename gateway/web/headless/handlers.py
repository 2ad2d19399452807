"""The endpoints. Each handler reads its request, asks a flow and answers.

The docstring of a handler is what the OpenAPI document says of its endpoint.
"""

from collections.abc import Mapping
from typing import cast

from aiohttp import web
from structlog.contextvars import bind_contextvars

from gateway.account import Caller, Client
from gateway.auth_types import AuthType, is_method
from gateway.errors import DrupalInvalid
from gateway.language_choice import Language, msgid
from gateway.login.outcome import Granted, Pending, Progress
from gateway.web.headless import bodies
from gateway.web.headless.app_keys import CLIENTS, DRUPAL, ENROLMENT, FLOW, SESSION_COOKIES
from gateway.web.headless.handing_over import hand_over
from gateway.web.http.app_keys import RUNNING, language_of
from gateway.web.http.responses import answer, whole_seconds, with_cookies
from gateway.web.http.visitors import visitor_of


async def authenticate(request: web.Request) -> web.Response:
    """Check name and password, and send a code.

    Where policy asks for no code, the session is handed over at once: then `authType` is `NONE`. Otherwise go on with
    `login`, with the same `username`, `transactionID` and `authType`.
    """
    body = await bodies.Authenticate.read(request)
    caller = caller_of(request, body)
    language = language_of(request)
    outcome = await request.app[FLOW].authenticate(
        username=body.username,
        password=body.password,
        auth_type=body.auth_type,
        remember_token=body.remember_token,
        caller=caller,
    )
    if isinstance(outcome, Granted):
        bind_contextvars(method=AuthType.NONE)
        return await hand_over_to(request, outcome, caller.client, exempt_body(body.username, outcome, language))
    bind_method(outcome.auth_type)
    return answer(pending_body(body.username, outcome, language), language=language)


async def login(request: web.Request) -> web.Response:
    """Check the code, and hand the session over.

    The answer sets Drupal's own session cookie. For a wrong code, the answer is `wrong_otp` and says how many more may
    be tried.
    """
    body = await bodies.Login.read(request)
    caller = caller_of(request, body)
    bind_method(body.auth_type)
    language = language_of(request)
    granted = await request.app[FLOW].login(
        username=body.username,
        id=body.transaction_id,
        auth_type=body.auth_type,
        otp=body.otp,
        remember=body.remember,
        caller=caller,
    )
    return await hand_over_to(request, granted, caller.client, login_body(body.username, granted, language))


async def resend(request: web.Request) -> web.Response:
    """Send the same code again, or change the method.

    This gives neither more time nor more attempts. A change to a method that sends nothing needs no wait.
    """
    body = await bodies.Resend.read(request)
    caller = caller_of(request, body)
    bind_method(body.switch_to or body.auth_type)
    language = language_of(request)
    pending = await request.app[FLOW].resend(
        username=body.username,
        id=body.transaction_id,
        auth_type=body.auth_type,
        switch_to=body.switch_to,
        caller=caller,
    )
    resent: bodies.ResendAnswer = {
        **pending_body(body.username, pending, language),
        "resendsLeft": pending.resends_left,
    }
    return answer(resent, language=language)


async def status(request: web.Request) -> web.Response:
    """Tell whether the code was sent, and how long it works.

    `carriedBy` names the method that a message went by. It differs from `authType` after a fallback; go on with
    `authType`.
    """
    body = await bodies.Status.read(request)
    caller = caller_of(request, body)
    language = language_of(request)
    progress = await request.app[FLOW].status(username=body.username, id=body.transaction_id, caller=caller)
    return answer(status_body(body.username, progress, language), language=language)


async def cancel(request: web.Request) -> web.Response:
    """End a login that waits for its code.

    Drupal's session for this login ends, too; if Drupal is away, the session ends later.
    """
    body = await bodies.Cancel.read(request)
    caller = caller_of(request, body)
    language = language_of(request)
    await request.app[FLOW].cancel(username=body.username, id=body.transaction_id, caller=caller)
    cancelled: bodies.CancelAnswer = {
        "username": body.username,
        "status": "SUCCESS",
        "message": language.say("The login was cancelled."),
    }
    return answer(cancelled, language=language)


async def logout(request: web.Request) -> web.Response:
    """End Drupal's session and delete its cookie.

    A request without a cookie, or with one whose session is over already, succeeds too.
    """
    body = await bodies.Logout.read(request)
    caller = caller_of(request, body)
    language = language_of(request)
    found = request.app[DRUPAL].credentials_in(
        cookie_header=request.app[SESSION_COOKIES].sent("; ".join(request.headers.getall("Cookie", []))),
        authorization=request.headers.get("Authorization", ""),
        logout_token=body.logout_token,
    )
    deleted: list[str] = []
    for credential in found:
        gone = await request.app[FLOW].logout(credential, visitor=caller.visitor)
        deleted.extend(request.app[SESSION_COOKIES].relayed(line) for line in gone)
    done: bodies.LogoutAnswer = {"status": "SUCCESS", "message": language.say("You are logged out.")}
    return with_cookies(answer(done, language=language), deleted)


async def totp_enroll(request: web.Request) -> web.Response:
    """Propose a secret for an authenticator app.

    Nothing changes until `totp/confirm`. Another proposal replaces this one.
    """
    body = await bodies.TotpEnroll.read(request)
    caller = caller_of(request, body)
    language = language_of(request)
    proposed = await request.app[ENROLMENT].enroll(token=body.manage_token, caller=caller)
    proposal: bodies.TotpEnrollAnswer = {
        "status": "SUCCESS",
        "message": language.say("Scan the code with your authenticator app, then type what the app shows."),
        "secret": proposed.secret,
        "otpauth": proposed.otpauth,
        "qr": proposed.qr,
    }
    return answer(proposal, language=language)


async def totp_confirm(request: web.Request) -> web.Response:
    """Enrol the app with its first code, and get recovery codes.

    It replaces an older app if the request proves that the user has the older one. Remembered devices are forgotten.
    The code is used up: the next login needs a newer code of the app.
    """
    body = await bodies.TotpConfirm.read(request)
    caller = caller_of(request, body)
    language = language_of(request)
    confirmed = await request.app[ENROLMENT].confirm(
        token=body.manage_token,
        otp=body.otp,
        current_otp=body.current_otp,
        caller=caller,
    )
    enrolled: bodies.TotpConfirmAnswer = {
        "status": "SUCCESS",
        "message": language.say("Your authenticator app is set up. Keep these recovery codes in a safe place."),
        "recoveryCodes": list(confirmed.codes),
        "manageToken": confirmed.manage_token,
    }
    return answer(enrolled, language=language)


async def totp_remove(request: web.Request) -> web.Response:
    """Remove the app and the recovery codes.

    Remembered devices are forgotten, and every `manageToken` of the account is void from then on.
    """
    body = await bodies.TotpRemove.read(request)
    caller = caller_of(request, body)
    language = language_of(request)
    await request.app[ENROLMENT].remove(
        token=body.manage_token,
        otp=body.otp,
        caller=caller,
    )
    removed: bodies.TotpRemoveAnswer = {
        "status": "SUCCESS",
        "message": language.say("Your authenticator app was removed."),
    }
    return answer(removed, language=language)


async def recovery_codes(request: web.Request) -> web.Response:
    """Get ten new recovery codes.

    The old ones are void from then on. The request needs a proof that the user has the app.
    """
    body = await bodies.RecoveryCodes.read(request)
    caller = caller_of(request, body)
    language = language_of(request)
    codes = await request.app[ENROLMENT].recovery_codes(
        token=body.manage_token,
        current_otp=body.current_otp,
        caller=caller,
    )
    renewed: bodies.RecoveryCodesAnswer = {
        "status": "SUCCESS",
        "message": language.say("Keep these recovery codes in a safe place. The old ones no longer work."),
        "recoveryCodes": list(codes),
    }
    return answer(renewed, language=language)


# The request


def caller_of(request: web.Request, body: bodies.Body) -> Caller:
    """Return where the request comes from. Raises UnknownApiKey, ForeignOrigin."""
    return Caller(client=client_of(request, body), visitor=visitor_of(request))


def client_of(request: web.Request, body: bodies.Body) -> Client:
    """The client that sent *request*. Raises UnknownApiKey, ForeignOrigin."""
    clients = request.app[CLIENTS]
    client = clients.known(body.api_key)
    bind_contextvars(client=client.id)
    clients.demand_origin(client, request)
    return client


def bind_method(method: str) -> None:
    """Put *method* on the events of the request if it is a method: a client may have sent any text."""
    if is_method(method):
        bind_contextvars(method=method)


# The answer


async def hand_over_to(
    request: web.Request, granted: Granted, client: Client, body: Mapping[str, object]
) -> web.Response:
    """Answer with *body* and the session's cookie. Raises DrupalInvalid for a cookie that can't be handed over."""
    try:
        lines = request.app[SESSION_COOKIES].lines(granted, client)
    except DrupalInvalid:
        request.app[RUNNING].keep(request.app[FLOW].lost(granted))
        raise
    return await hand_over(request, granted, with_cookies(answer(body, language=language_of(request)), lines))


def pending_body(username: str, pending: Pending, language: Language) -> bodies.CodeNeeded:
    return {
        "username": username,
        "status": "SUCCESS",
        "message": sent_to(pending, language),
        "transactionID": pending.id,
        "authType": pending.auth_type,
        "destination": pending.destination,
        "expiresIn": whole_seconds(pending.expires_in),
        "resendIn": whole_seconds(pending.resend_in),
        "methods": list(pending.methods),
    }


def sent_to(pending: Pending, language: Language) -> str:
    if pending.auth_type in ASKED:
        return language.say(ASKED[pending.auth_type])
    return language.say("A code was sent to {destination}.", destination=pending.destination)


def status_body(username: str, progress: Progress, language: Language) -> bodies.StatusAnswer:
    carried: bodies.Carried = {"carriedBy": progress.carried_by} if progress.carried_by else {}
    return {
        "username": username,
        "status": "SUCCESS",
        "message": language.say(ASKED.get(progress.auth_type, DELIVERY[progress.delivery])),
        "delivery": progress.delivery,
        **carried,
        "authType": progress.auth_type,
        "expiresIn": whole_seconds(progress.expires_in),
        "resendIn": whole_seconds(progress.resend_in),
        "attemptsLeft": progress.attempts_left,
    }


def login_body(username: str, granted: Granted, language: Language) -> bodies.LoginAnswer:
    return {**granted_body(username, granted, language), "manageToken": granted.manage_token, **remembered(granted)}


def exempt_body(username: str, granted: Granted, language: Language) -> bodies.NoCodeNeeded:
    return {**granted_body(username, granted, language), **remembered(granted), "authType": "NONE"}


def granted_body(username: str, granted: Granted, language: Language) -> bodies.Granted:
    return {
        "username": username,
        "status": "SUCCESS",
        "message": language.say("You are logged in."),
        "userprofile": granted.profile,
        "session": cast("bodies.Session", dict(granted.hand_over.session)),
    }


def remembered(granted: Granted) -> bodies.Remembered:
    return {"rememberToken": granted.remembered.token} if granted.remembered else {}


# For the methods that send nothing.
ASKED: Mapping[str, str] = {
    AuthType.AUTHENTICATOR: msgid("Type the code that your authenticator app shows."),
    AuthType.RECOVERY_CODE: msgid("Type one of your recovery codes."),
}
DELIVERY = {
    "queued": msgid("The code is on its way."),
    "sent": msgid("The code was sent."),
    "failed": msgid("The code could not be delivered."),
}
