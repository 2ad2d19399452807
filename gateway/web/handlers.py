"""Each handler reads, asks, answers."""

import asyncio
from collections.abc import Mapping
from typing import cast

from aiohttp import web
from structlog.contextvars import bind_contextvars

from gateway.account import Client, DrupalSession, Visitor
from gateway.errors import Malformed
from gateway.languages import Language, msgid
from gateway.methods import is_method
from gateway.steps import Opened, Won
from gateway.web import schemas
from gateway.web.answers import answer, with_cookies
from gateway.web.keys import ADDRESSES, CLIENTS, ENROLMENT, FLOW, PUBLIC_URL, RUNNING, language_of
from gateway.web.middleware import sign
from gateway.web.relay import sessions_in, warn_if_unusable
from gateway.web.server import Connection

# How long the kernel may take to accept an answer's last byte.
WRITE_SECONDS = 10
HEADER_CHARACTERS = 256


async def authenticate(request: web.Request) -> web.Response:
    """A code is on its way, or none is needed and the session is handed over at once."""
    body = await schemas.Authenticate.read(request)
    client = who(request, body)
    language = language_of(request)
    opened = await request.app[FLOW].authenticate(
        username=body.username,
        password=body.password,
        auth_type=body.auth_type,
        remember_token=body.remember_token,
        client=client,
        visitor=visitor(request),
    )
    if isinstance(opened, Won):
        bind_contextvars(method="NONE")
        return await hand_over(request, opened, welcome(body.username, opened, language) | {"authType": "NONE"})
    about(opened.auth_type)
    return answer(
        {
            "username": body.username,
            "status": "SUCCESS",
            "message": sent_to(opened, language),
            **told(opened),
        },
        language=language,
    )


async def login(request: web.Request) -> web.Response:
    body = await schemas.Login.read(request)
    client = who(request, body)
    about(body.auth_type)
    language = language_of(request)
    won = await request.app[FLOW].login(
        username=body.username,
        id=body.transaction_id,
        auth_type=body.auth_type,
        otp=body.otp,
        remember=body.remember,
        client=client,
        visitor=visitor(request),
    )
    return await hand_over(request, won, welcome(body.username, won, language))


async def hand_over(request: web.Request, won: Won, body: Mapping[str, object]) -> web.Response:
    """Write the answer here, to know that its last byte left: only then is the session handed over."""
    flow = request.app[FLOW]
    handed = answer(body, language=language_of(request))
    response = sign(request, with_cookies(handed, won.hand_over.cookies))
    running = request.app[RUNNING]
    try:
        await write(request, response)
    except BaseException:
        running.keep(flow.lost(won))
        raise
    # Kept, not awaited: while the store is away it takes longer than any connection should be held.
    running.keep(flow.delivered(won))
    warn_if_unusable(won.hand_over.cookies, request.app[PUBLIC_URL].seen)
    return response


async def resend(request: web.Request) -> web.Response:
    body = await schemas.Resend.read(request)
    client = who(request, body)
    about(body.switch_to or body.auth_type)
    language = language_of(request)
    opened = await request.app[FLOW].resend(
        username=body.username,
        id=body.transaction_id,
        auth_type=body.auth_type,
        switch_to=body.switch_to,
        client=client,
        visitor=visitor(request),
    )
    return answer(
        {
            "username": body.username,
            "status": "SUCCESS",
            "message": sent_to(opened, language),
            **told(opened),
            "resendsLeft": opened.resends_left,
        },
        language=language,
    )


async def status(request: web.Request) -> web.Response:
    body = await schemas.Status.read(request)
    client = who(request, body)
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
            "expiresIn": progress.expires_in,
            "resendIn": progress.resend_in,
            "attemptsLeft": progress.attempts_left,
        },
        language=language,
    )


async def cancel(request: web.Request) -> web.Response:
    body = await schemas.Cancel.read(request)
    client = who(request, body)
    language = language_of(request)
    await request.app[FLOW].cancel(username=body.username, id=body.transaction_id, client=client)
    return answer(
        {"username": body.username, "status": "SUCCESS", "message": language.say("The login was cancelled.")},
        language=language,
    )


async def logout(request: web.Request) -> web.Response:
    body = await schemas.Logout.read(request)
    who(request, body)
    language = language_of(request)
    cookies = list(sessions_in(request))
    if cookies and body.logout_token is None:
        raise Malformed("logout_token")
    asking = visitor(request)
    deleted: list[str] = []
    for name, value in cookies:
        session = DrupalSession(
            uid="",
            cookie_name=name,
            cookie_value=value,
            set_cookie="",
            csrf_token="",
            logout_token=body.logout_token or "",
        )
        deleted.extend(await request.app[FLOW].logout(session, visitor=asking))
    done = {"status": "SUCCESS", "message": language.say("You are logged out.")}
    return with_cookies(answer(done, language=language), deleted)


async def totp_enroll(request: web.Request) -> web.Response:
    body = await schemas.TotpEnroll.read(request)
    client = who(request, body)
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
    body = await schemas.TotpConfirm.read(request)
    client = who(request, body)
    codes = await request.app[ENROLMENT].confirm(
        token=body.manage_token, otp=body.otp, client=client, visitor=visitor(request)
    )
    said = msgid("Your authenticator app is set up. Keep these recovery codes in a safe place.")
    return shown_once(said, codes, language_of(request))


async def totp_remove(request: web.Request) -> web.Response:
    body = await schemas.TotpRemove.read(request)
    client = who(request, body)
    language = language_of(request)
    await request.app[ENROLMENT].remove(token=body.manage_token, otp=body.otp, client=client, visitor=visitor(request))
    return answer(
        {"status": "SUCCESS", "message": language.say("Your authenticator app was removed.")}, language=language
    )


async def recovery_codes(request: web.Request) -> web.Response:
    body = await schemas.RecoveryCodes.read(request)
    client = who(request, body)
    codes = await request.app[ENROLMENT].recovery_codes(
        token=body.manage_token, client=client, visitor=visitor(request)
    )
    said = msgid("Keep these recovery codes in a safe place. The old ones no longer work.")
    return shown_once(said, codes, language_of(request))


def who(request: web.Request, body: schemas.Body) -> Client:
    """The client that asks. Raises UnknownApiKey, ForeignOrigin."""
    clients = request.app[CLIENTS]
    client = clients.known(body.api_key)
    bind_contextvars(client=client.id)
    clients.demand_origin(client, request)
    return client


def about(method: str) -> None:
    """Let the request's events name its *method*, unless the client has made it up."""
    if is_method(method):
        bind_contextvars(method=method)


def visitor(request: web.Request) -> Visitor:
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


def told(opened: Opened) -> dict[str, object]:
    return {
        "transactionID": opened.id,
        "authType": opened.auth_type,
        "destination": opened.destination,
        "expiresIn": opened.expires_in,
        "resendIn": opened.resend_in,
        "methods": list(opened.methods),
    }


def sent_to(opened: Opened, language: Language) -> str:
    if opened.auth_type in ASKED:
        return language.say(ASKED[opened.auth_type])
    return language.say("A code was sent to {destination}.", destination=opened.destination)


def shown_once(message: str, codes: tuple[str, ...], language: Language) -> web.Response:
    said = {"status": "SUCCESS", "message": language.say(message), "recoveryCodes": list(codes)}
    return answer(said, language=language)


def welcome(username: str, won: Won, language: Language) -> dict[str, object]:
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


async def write(request: web.Request, response: web.Response) -> None:
    """Write the whole answer and wait until its last byte has left. Raises ConnectionError if it did not."""
    transport, connection = demand_connected(request), request.protocol
    await response.prepare(request)
    await response.write_eof()
    deadline = asyncio.get_running_loop().time() + WRITE_SECONDS
    # uvloop writes at the end of the turn, so one turn passes in any case.
    await asyncio.sleep(0)
    while transport.get_write_buffer_size():
        if asyncio.get_running_loop().time() > deadline:
            raise ConnectionResetError("slow reader")
        await asyncio.sleep(0.005)
    if transport.is_closing():
        # Closed is not lost: who has read the last byte may leave at once. How it ended is known a turn later.
        await asyncio.sleep(0)
        if isinstance(connection, Connection) and connection.broken:
            raise ConnectionResetError("client gone")


def demand_connected(request: web.Request) -> asyncio.WriteTransport:
    """The transport that the answer leaves by. Raises ConnectionError once the client has closed it."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("client gone")
    # aiohttp types it as a plain Transport; a stream socket's can write, uvloop's and asyncio's alike.
    return cast("asyncio.WriteTransport", transport)
