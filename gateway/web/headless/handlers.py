"""Each handler reads, asks, answers."""

from collections.abc import Mapping

import structlog
from aiohttp import web
from structlog.contextvars import bind_contextvars

from gateway.account import Client, Visitor
from gateway.auth_types import is_method
from gateway.languages import Language, msgid
from gateway.login.outcome import Granted, Pending
from gateway.web.headless import bodies
from gateway.web.headless.keys import CLIENTS, DRUPAL, ENROLMENT, FLOW, PUBLIC_URL
from gateway.web.http.connections import write_whole
from gateway.web.http.keys import ADDRESSES, RUNNING, language_of
from gateway.web.http.middleware import stamp
from gateway.web.http.responses import answer, whole_seconds, with_cookies

log = structlog.get_logger()

HEADER_CHARACTERS = 256


async def authenticate(request: web.Request) -> web.Response:
    """A code is on its way, or none is needed and the session is handed over at once."""
    body = await bodies.Authenticate.read(request)
    client = client_of(request, body)
    language = language_of(request)
    opened = await request.app[FLOW].authenticate(
        username=body.username,
        password=body.password,
        auth_type=body.auth_type,
        remember_token=body.remember_token,
        client=client,
        visitor=visitor_of(request),
    )
    if isinstance(opened, Granted):
        bind_contextvars(method="NONE")
        return await hand_over(request, opened, granted_body(body.username, opened, language) | {"authType": "NONE"})
    bind_method(opened.auth_type)
    return answer(
        {
            "username": body.username,
            "status": "SUCCESS",
            "message": sent_to(opened, language),
            **pending_body(opened),
        },
        language=language,
    )


async def login(request: web.Request) -> web.Response:
    body = await bodies.Login.read(request)
    client = client_of(request, body)
    bind_method(body.auth_type)
    language = language_of(request)
    won = await request.app[FLOW].login(
        username=body.username,
        id=body.transaction_id,
        auth_type=body.auth_type,
        otp=body.otp,
        remember=body.remember,
        client=client,
        visitor=visitor_of(request),
    )
    return await hand_over(request, won, granted_body(body.username, won, language))


async def hand_over(request: web.Request, won: Granted, body: Mapping[str, object]) -> web.Response:
    """Write the answer here, to know that its last byte left: only then is the session handed over."""
    flow = request.app[FLOW]
    handed = answer(body, language=language_of(request))
    response = stamp(request, with_cookies(handed, won.hand_over.cookies))
    running = request.app[RUNNING]
    try:
        await write_whole(request, response)
    except BaseException:
        running.keep(flow.lost(won))
        raise
    # Kept, not awaited: while the store is away it takes longer than any connection should be held.
    running.keep(flow.delivered(won))
    for unusable in request.app[DRUPAL].unusable_cookies(won.hand_over, public_url=request.app[PUBLIC_URL].seen):
        log.warning("relay.unusable_cookie", reason=unusable.reason, change=unusable.change)
    return response


async def resend(request: web.Request) -> web.Response:
    body = await bodies.Resend.read(request)
    client = client_of(request, body)
    bind_method(body.switch_to or body.auth_type)
    language = language_of(request)
    opened = await request.app[FLOW].resend(
        username=body.username,
        id=body.transaction_id,
        auth_type=body.auth_type,
        switch_to=body.switch_to,
        client=client,
        visitor=visitor_of(request),
    )
    return answer(
        {
            "username": body.username,
            "status": "SUCCESS",
            "message": sent_to(opened, language),
            **pending_body(opened),
            "resendsLeft": opened.resends_left,
        },
        language=language,
    )


async def status(request: web.Request) -> web.Response:
    body = await bodies.Status.read(request)
    client = client_of(request, body)
    language = language_of(request)
    progress = await request.app[FLOW].status(username=body.username, id=body.transaction_id, client=client)
    return answer(
        {
            "username": body.username,
            "status": "SUCCESS",
            "message": language.say(ASKED.get(progress.auth_type, DELIVERY[progress.delivery])),
            "delivery": progress.delivery,
            **({"carriedBy": progress.carried_by} if progress.carried_by else {}),
            "authType": progress.auth_type,
            "expiresIn": whole_seconds(progress.expires_in),
            "resendIn": whole_seconds(progress.resend_in),
            "attemptsLeft": progress.attempts_left,
        },
        language=language,
    )


async def cancel(request: web.Request) -> web.Response:
    body = await bodies.Cancel.read(request)
    client = client_of(request, body)
    language = language_of(request)
    await request.app[FLOW].cancel(username=body.username, id=body.transaction_id, client=client)
    return answer(
        {"username": body.username, "status": "SUCCESS", "message": language.say("The login was cancelled.")},
        language=language,
    )


async def logout(request: web.Request) -> web.Response:
    body = await bodies.Logout.read(request)
    client_of(request, body)
    language = language_of(request)
    found = request.app[DRUPAL].credentials_in(
        cookie_header="; ".join(request.headers.getall("Cookie", [])),
        authorization=request.headers.get("Authorization", ""),
        logout_token=body.logout_token,
    )
    asking = visitor_of(request)
    deleted: list[str] = []
    for credential in found:
        deleted.extend(await request.app[FLOW].logout(credential, visitor=asking))
    done = {"status": "SUCCESS", "message": language.say("You are logged out.")}
    return with_cookies(answer(done, language=language), deleted)


async def totp_enroll(request: web.Request) -> web.Response:
    body = await bodies.TotpEnroll.read(request)
    client = client_of(request, body)
    language = language_of(request)
    proposed = await request.app[ENROLMENT].enroll(token=body.manage_token, client=client)
    return answer(
        {
            "status": "SUCCESS",
            "message": language.say("Scan the code with your authenticator app, then type what the app shows."),
            "secret": proposed.secret,
            "otpauth": proposed.otpauth,
            "qr": proposed.qr,
        },
        language=language,
    )


async def totp_confirm(request: web.Request) -> web.Response:
    body = await bodies.TotpConfirm.read(request)
    client = client_of(request, body)
    codes = await request.app[ENROLMENT].confirm(
        token=body.manage_token, otp=body.otp, client=client, visitor=visitor_of(request)
    )
    said = msgid("Your authenticator app is set up. Keep these recovery codes in a safe place.")
    return codes_body(said, codes, language_of(request))


async def totp_remove(request: web.Request) -> web.Response:
    body = await bodies.TotpRemove.read(request)
    client = client_of(request, body)
    language = language_of(request)
    await request.app[ENROLMENT].remove(
        token=body.manage_token, otp=body.otp, client=client, visitor=visitor_of(request)
    )
    return answer(
        {"status": "SUCCESS", "message": language.say("Your authenticator app was removed.")}, language=language
    )


async def recovery_codes(request: web.Request) -> web.Response:
    body = await bodies.RecoveryCodes.read(request)
    client = client_of(request, body)
    codes = await request.app[ENROLMENT].recovery_codes(
        token=body.manage_token, client=client, visitor=visitor_of(request)
    )
    said = msgid("Keep these recovery codes in a safe place. The old ones no longer work.")
    return codes_body(said, codes, language_of(request))


def client_of(request: web.Request, body: bodies.Body) -> Client:
    """The client that asks. Raises UnknownApiKey, ForeignOrigin."""
    clients = request.app[CLIENTS]
    client = clients.known(body.api_key)
    bind_contextvars(client=client.id)
    clients.demand_origin(client, request)
    return client


def bind_method(method: str) -> None:
    """Let the request's events name its *method*, unless the client has made it up."""
    if is_method(method):
        bind_contextvars(method=method)


def visitor_of(request: web.Request) -> Visitor:
    return Visitor(
        address=request.app[ADDRESSES].of(request),
        unvouched=request.app[ADDRESSES].unvouched(request),
        user_agent=printable(request.headers.get("User-Agent", "")),
        accept_language=printable(request.headers.get("Accept-Language", "")),
    )


def printable(header: str) -> str:
    """Printable ASCII, cut: what Drupal is told of the browser."""
    cut = header[:HEADER_CHARACTERS]
    if not (cut.isascii() and cut.isprintable()):
        cut = "".join(letter for letter in cut if " " <= letter <= "~")
    return cut.strip()


def pending_body(opened: Pending) -> dict[str, object]:
    return {
        "transactionID": opened.id,
        "authType": opened.auth_type,
        "destination": opened.destination,
        "expiresIn": whole_seconds(opened.expires_in),
        "resendIn": whole_seconds(opened.resend_in),
        "methods": list(opened.methods),
    }


def sent_to(opened: Pending, language: Language) -> str:
    if opened.auth_type in ASKED:
        return language.say(ASKED[opened.auth_type])
    return language.say("A code was sent to {destination}.", destination=opened.destination)


def codes_body(message: str, codes: tuple[str, ...], language: Language) -> web.Response:
    said = {"status": "SUCCESS", "message": language.say(message), "recoveryCodes": list(codes)}
    return answer(said, language=language)


def granted_body(username: str, won: Granted, language: Language) -> dict[str, object]:
    return {
        "username": username,
        "status": "SUCCESS",
        "message": language.say("You are logged in."),
        "userprofile": won.profile,
        "session": dict(won.hand_over.session),
        **({"manageToken": won.manage_token} if won.manage_token else {}),
        **({"rememberToken": won.remembered.token} if won.remembered else {}),
    }


# Of the methods that send nothing.
ASKED = {
    "GOOGLE AUTHENTICATOR": msgid("Type the code that your authenticator app shows."),
    "RECOVERY CODE": msgid("Type one of your recovery codes."),
}
DELIVERY = {
    "queued": msgid("The code is on its way."),
    "sent": msgid("The code was sent."),
    "failed": msgid("The code could not be delivered."),
}
