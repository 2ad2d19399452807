"""Each handler reads, asks, answers."""

import asyncio
from collections.abc import Mapping
from typing import cast

from aiohttp import web
from structlog.contextvars import bind_contextvars

from gateway.account import Client, DrupalSession, Visitor
from gateway.errors import Malformed
from gateway.steps import Opened, Won
from gateway.web import schemas
from gateway.web.answers import answer, with_cookies
from gateway.web.keys import ADDRESSES, CLIENTS, ENROLMENT, FLOW, PUBLIC_URL
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
    opened = await request.app[FLOW].authenticate(
        username=body.username,
        password=body.password,
        auth_type=body.auth_type,
        remember_token=body.remember_token,
        client=client,
        visitor=visitor(request),
    )
    if isinstance(opened, Won):
        return await hand_over(request, opened, welcome(body.username, opened) | {"authType": "NONE"})
    return answer(
        {
            "username": body.username,
            "status": "SUCCESS",
            "message": sent_to(opened),
            **told(opened),
        }
    )


async def login(request: web.Request) -> web.Response:
    body = await schemas.Login.read(request)
    client = who(request, body)
    won = await request.app[FLOW].login(
        username=body.username,
        id=body.transaction_id,
        auth_type=body.auth_type,
        otp=body.otp,
        remember=body.remember,
        client=client,
        visitor=visitor(request),
    )
    return await hand_over(request, won, welcome(body.username, won))


async def hand_over(request: web.Request, won: Won, body: Mapping[str, object]) -> web.Response:
    """Write the answer here, to know that its last byte left: only then is the session handed over."""
    flow = request.app[FLOW]
    response = sign(request, with_cookies(answer(body), won.hand_over.cookies))
    try:
        await write(request, response)
    except BaseException:
        await asyncio.shield(flow.lost(won))
        raise
    warn_if_unusable(won.hand_over.cookies, request.app[PUBLIC_URL].seen)
    await asyncio.shield(flow.delivered(won))
    return response


async def resend(request: web.Request) -> web.Response:
    body = await schemas.Resend.read(request)
    client = who(request, body)
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
            "message": sent_to(opened),
            **told(opened),
            "resendsLeft": opened.resends_left,
        }
    )


async def status(request: web.Request) -> web.Response:
    body = await schemas.Status.read(request)
    client = who(request, body)
    progress = await request.app[FLOW].status(username=body.username, id=body.transaction_id, client=client)
    return answer(
        {
            "username": body.username,
            "status": "SUCCESS",
            "message": ASKED.get(progress.auth_type, DELIVERY[progress.delivery]),
            "delivery": progress.delivery,
            **({"carriedBy": progress.carried_by} if progress.carried_by else {}),
            "authType": progress.auth_type,
            "expiresIn": progress.expires_in,
            "resendIn": progress.resend_in,
            "attemptsLeft": progress.attempts_left,
        }
    )


async def cancel(request: web.Request) -> web.Response:
    body = await schemas.Cancel.read(request)
    client = who(request, body)
    await request.app[FLOW].cancel(username=body.username, id=body.transaction_id, client=client)
    return answer({"username": body.username, "status": "SUCCESS", "message": "The login was cancelled."})


async def logout(request: web.Request) -> web.Response:
    body = await schemas.Logout.read(request)
    who(request, body)
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
    return with_cookies(answer({"status": "SUCCESS", "message": "You are logged out."}), deleted)


async def totp_enroll(request: web.Request) -> web.Response:
    body = await schemas.TotpEnroll.read(request)
    client = who(request, body)
    proposed = await request.app[ENROLMENT].enroll(token=body.manage_token, client=client)
    return answer(
        {
            "status": "SUCCESS",
            "message": "Scan the code with your authenticator app, then type what the app shows.",
            "secret": proposed.secret,
            "otpauth": proposed.otpauth,
            "qr": proposed.qr,
        }
    )


async def totp_confirm(request: web.Request) -> web.Response:
    body = await schemas.TotpConfirm.read(request)
    client = who(request, body)
    codes = await request.app[ENROLMENT].confirm(
        token=body.manage_token, otp=body.otp, client=client, visitor=visitor(request)
    )
    return shown_once("Your authenticator app is set up. Keep these recovery codes in a safe place.", codes)


async def totp_remove(request: web.Request) -> web.Response:
    body = await schemas.TotpRemove.read(request)
    client = who(request, body)
    await request.app[ENROLMENT].remove(token=body.manage_token, otp=body.otp, client=client, visitor=visitor(request))
    return answer({"status": "SUCCESS", "message": "Your authenticator app was removed."})


async def recovery_codes(request: web.Request) -> web.Response:
    body = await schemas.RecoveryCodes.read(request)
    client = who(request, body)
    codes = await request.app[ENROLMENT].recovery_codes(token=body.manage_token, client=client)
    return shown_once("Keep these recovery codes in a safe place. The old ones no longer work.", codes)


def who(request: web.Request, body: schemas.Body) -> Client:
    """The client that asks. Raises UnknownApiKey, ForeignOrigin."""
    clients = request.app[CLIENTS]
    client = clients.known(body.api_key)
    bind_contextvars(client=client.id)
    clients.demand_origin(client, request)
    return client


def visitor(request: web.Request) -> Visitor:
    return Visitor(
        address=request.app[ADDRESSES].of(request),
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


def sent_to(opened: Opened) -> str:
    return ASKED.get(opened.auth_type, f"A code was sent to {opened.destination}.")


def shown_once(message: str, codes: tuple[str, ...]) -> web.Response:
    return answer({"status": "SUCCESS", "message": message, "recoveryCodes": list(codes)})


def welcome(username: str, won: Won) -> dict[str, object]:
    return {
        "username": username,
        "status": "SUCCESS",
        "message": "You are logged in.",
        "userprofile": won.profile,
        "session": dict(won.hand_over.session),
        **({"manageToken": won.manage_token} if won.manage_token else {}),
        **({"rememberToken": won.remembered.token} if won.remembered else {}),
    }


# Of the methods that send nothing.
ASKED = {
    "GOOGLE AUTHENTICATOR": "Type the code that your authenticator app shows.",
    "RECOVERY CODE": "Type one of your recovery codes.",
}
DELIVERY = {
    "queued": "The code is on its way.",
    "sent": "The code was sent.",
    "failed": "The code could not be delivered.",
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
