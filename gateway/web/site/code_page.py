"""The code page: where a browser types its code when Drupal opened a session on one of its own pages.

    GET  /headless/challenge          the form, or why there is none
    POST /headless/challenge          verify · resend · switch · cancel, each answered by a redirect
    GET  /headless/challenge/{name}   what the page loads

    a right code                      → 303 to the page that the login was for, with Drupal's session sealed;
                                        200 and a page that leads on, where Drupal leads to another site
    resend, switch, a refusal         → 303 to the form, which says so once
    cancel, a login that is over      → 303 to the page without a form
    no request of this page's forms   → 400, 403, 413 or 415

A cookie names the login, so its id stands in no URL. What the form says after a redirect travels in a cookie, too: no
process keeps anything.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote

from aiohttp import web
from structlog.contextvars import bind_contextvars

from gateway.account import Caller, Client
from gateway.errors import (
    DrupalInvalid,
    GatewayError,
    Malformed,
    NotEnrolled,
    Throttled,
    TransactionClosed,
    Unavailable,
    WrongOtp,
)
from gateway.login.outcome import Granted
from gateway.transaction import GUARD
from gateway.web.headless.app_keys import FLOW
from gateway.web.headless.handing_over import hand_over
from gateway.web.headless.handlers import bind_method
from gateway.web.http.app_keys import ERROR_ANSWER, EVENTS, RUNNING, language_of
from gateway.web.http.responses import with_cookies
from gateway.web.http.visitors import visitor_of
from gateway.web.site import code_texts as texts
from gateway.web.site.assets import PATH, Assets
from gateway.web.site.code_form import CodeForm, demand_own_page, demand_token, read_form
from gateway.web.site.code_view import HEADERS, CodeView, Message
from gateway.web.site.guard import Cookies, cookies_in, folded
from gateway.web.site.handed_over import HandedOver
from gateway.web.site.log_events import CHALLENGE
from gateway.web.site.own_cookies import Challenge, Note, OwnCookies
from gateway.web.site.sealed_cookies import Kind, SealedCookies, SealedSession

CODE_PAGE: Final = PATH.rstrip("/")
# Drupal's own, whatever theme and modules a site has.
LOGIN_PATH: Final = "/user/login"
CLIENT: Final = Client(id=GUARD, kind="browser")
# Where Drupal logs users in at other sites, so that its answer leads to another host: OAuth, OpenID Connect, SAML, CAS.
LEADS_AWAY: Final = re.compile(r"(?:/[a-z-]{2,12})?/(?:oauth2?|oidc|saml[a-z_-]*|cas)(?:/.*)?")
# After these errors the user may go on, so the form says them. Any other error has a page of its own.
SAID_ON_THE_PAGE: Final = (WrongOtp, TransactionClosed, Throttled, NotEnrolled, Unavailable)


@dataclass(frozen=True, kw_only=True, slots=True)
class CodePage:
    """What the page needs. *origin* is the site's own, as browsers name it; *folder* is `texts.folder`."""

    own: OwnCookies
    handed: HandedOver
    sealed: SealedCookies
    origin: str
    clock: Callable[[], float]
    site: str = ""
    folder: Path | None = None
    remember_days: int = 0


PAGE = web.AppKey("code_page", CodePage)
VIEW = web.AppKey("code_view", CodeView)
ASSETS = web.AppKey("code_page_assets", Assets)


def add_code_page(app: web.Application, page: CodePage) -> None:
    """Serve *page* by the application of `/headless`. Raises ValueError for a file in its folder that can't be used."""
    assets = Assets(page.folder)
    app[PAGE], app[ASSETS] = page, assets
    app[VIEW] = CodeView(assets, site=page.site, remember_days=page.remember_days, clock=page.clock)
    app[EVENTS]["challenge"] = CHALLENGE
    app.router.add_get(CODE_PAGE, show)
    # The name of the route, by which the middleware finds the events.
    app.router.add_post(CODE_PAGE, challenge, name="challenge")
    app.router.add_get(PATH + "{name}", asset)


# The pages


async def show(request: web.Request) -> web.StreamResponse:
    """Answer with the form, or say why there is none."""
    page, language, sent = request.app[PAGE], language_of(request), cookies_of(request)
    waiting = page.own.challenge_in(sent.own)
    if waiting is None:
        return without_login(request, sent)
    try:
        progress = await request.app[FLOW].status(username=waiting.username, id=waiting.id, caller=caller_of(request))
    except TransactionClosed as error:
        return over(request, waiting, page.own.note_in(sent.own, id=waiting.id), error)
    except GatewayError as error:
        return request.app[VIEW].refusal(error, links=((texts.RETRY, CODE_PAGE),), language=language)
    note = page.own.note_in(sent.own, id=waiting.id)
    response = request.app[VIEW].form(progress, token=page.own.form_token(waiting), note=note, language=language)
    return with_cookies(response, [page.own.note_gone()] if note and request.method == "GET" else [])


def without_login(request: web.Request, sent: Cookies) -> web.Response:
    """The page for a browser without a login that waits: it was cancelled, or has succeeded, or there never was one."""
    page, view = request.app[PAGE], request.app[VIEW]
    note = page.own.note_in(sent.own)
    if note and note.word == "cancelled":
        message = Message(heading=texts.OVER, text=texts.CANCELLED, links=links_after(None), status=HTTPStatus.OK)
    elif any(is_proven(page.sealed.open(*pair)) for pair in sent.sessions):
        # The user went back to this page after the login.
        message = Message(heading=texts.DONE, text=texts.LOGGED_IN, links=((texts.HOME, "/"),), status=HTTPStatus.OK)
    else:
        message = closed_message(None, TransactionClosed.sentence)
    said = [page.own.note_gone()] if note and request.method == "GET" else []
    return with_cookies(view.message(message, language=language_of(request)), [page.own.challenge_gone(), *said])


def over(request: web.Request, waiting: Challenge, note: Note | None, error: TransactionClosed) -> web.Response:
    """The page for a login that is over: its last code was wrong, its time is up, or it was used."""
    page, view = request.app[PAGE], request.app[VIEW]
    was_last = note is not None and note.word == WrongOtp.word and not note.attempts_left
    text = texts.LAST_ATTEMPT if was_last else error.sentence
    response = view.message(closed_message(waiting, text), language=language_of(request))
    return with_cookies(response, [page.own.challenge_gone(), page.own.note_gone()])


def closed_message(waiting: Challenge | None, text: str) -> Message:
    return Message(heading=texts.OVER, text=text, links=links_after(waiting), status=HTTPStatus.GONE)


def links_after(waiting: Challenge | None) -> tuple[tuple[str, str], ...]:
    """Where to go from a login that is over: to Drupal's login, which leads on to where this one would have led."""
    landing = landing_of(waiting) if waiting else "/"
    again = LOGIN_PATH if landing == "/" else f"{LOGIN_PATH}?destination={quote(landing, safe='/')}"
    return ((texts.AGAIN, again), (texts.HOME, "/"))


def is_proven(session: SealedSession | None) -> bool:
    return session is not None and session.kind is not Kind.ANONYMOUS


async def asset(request: web.Request) -> web.Response:
    """Answer with a file that the page loads. Its name changes with its content."""
    found = request.app[ASSETS].named(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    headers = dict(HEADERS) | {"Cache-Control": "public, max-age=31536000, immutable"}
    return web.Response(body=found.body, content_type=found.content_type, charset="utf-8", headers=headers)


# The forms


async def challenge(request: web.Request) -> web.StreamResponse:
    """Do what a button of the page says, and answer with a redirect."""
    page, sent = request.app[PAGE], cookies_of(request)
    answer_errors(request, None)
    bind_contextvars(client=GUARD)
    demand_own_page(request, origin=page.origin)
    form = await read_form(request)
    bind_contextvars(action=form.action)
    waiting = page.own.challenge_in(sent.own)
    answer_errors(request, waiting)
    if waiting is None:
        raise TransactionClosed("no_cookie")
    demand_token(form, page.own.form_token(waiting))
    if form.shown:
        # The method that the user saw: another tab may have changed it meanwhile.
        waiting = replace(waiting, auth_type=form.shown)
    return await ACTIONS[form.action](request, waiting, form)


async def verify(request: web.Request, waiting: Challenge, form: CodeForm) -> web.StreamResponse:
    """Try the code. A right one leads to the page that the login was for."""
    bind_method(waiting.auth_type)
    if not form.otp.strip():
        raise Malformed("otp")
    granted = await request.app[FLOW].login(
        username=waiting.username,
        id=waiting.id,
        auth_type=waiting.auth_type,
        otp=form.otp,
        remember=form.remember,
        caller=caller_of(request),
    )
    return await hand_over(request, granted, landed(request, waiting, granted))


def landed(request: web.Request, waiting: Challenge, granted: Granted) -> web.Response:
    """The redirect after a right code, with the session under our seal."""
    page = request.app[PAGE]
    try:
        session, device = page.handed.session_lines(granted), page.handed.device_lines(granted)
    except DrupalInvalid:
        request.app[RUNNING].keep(request.app[FLOW].lost(granted))
        raise
    return with_cookies(arrived(request, waiting), [*session, page.own.challenge_gone(), *device])


def arrived(request: web.Request, waiting: Challenge) -> web.Response:
    """The way to the page that the login was for."""
    path = landing_of(waiting)
    if not LEADS_AWAY.fullmatch(folded(path)):
        return see_other(path)
    # Chromium applies `form-action` to every redirect after a form. A page that leads on by itself ends the chain.
    message = Message(
        heading=texts.DONE, text=texts.LOGGED_IN, links=((texts.GO_ON, path),), status=HTTPStatus.OK, leads_to=path
    )
    return request.app[VIEW].message(message, language=language_of(request))


async def resend(request: web.Request, waiting: Challenge, _form: CodeForm) -> web.StreamResponse:
    """Send the code again, by the method that the user saw."""
    bind_method(waiting.auth_type)
    return await reissue(request, waiting, switch_to=None, note=Note(word="resent"))


async def switch(request: web.Request, waiting: Challenge, form: CodeForm) -> web.StreamResponse:
    """Ask by another method."""
    bind_method(form.method)
    return await reissue(request, waiting, switch_to=form.method, note=None)


async def reissue(
    request: web.Request, waiting: Challenge, *, switch_to: str | None, note: Note | None
) -> web.StreamResponse:
    own = request.app[PAGE].own
    pending = await request.app[FLOW].resend(
        username=waiting.username,
        id=waiting.id,
        auth_type=waiting.auth_type,
        switch_to=switch_to,
        caller=caller_of(request),
    )
    now = replace(waiting, auth_type=pending.auth_type, destination=pending.destination)
    said = [own.note_line(note, id=waiting.id)] if note else []
    return with_cookies(see_other(CODE_PAGE), [own.challenge_line(now), *said])


async def cancel(request: web.Request, waiting: Challenge, _form: CodeForm) -> web.StreamResponse:
    """End the login, and its session at Drupal."""
    own = request.app[PAGE].own
    await request.app[FLOW].cancel(username=waiting.username, id=waiting.id, caller=caller_of(request))
    return with_cookies(see_other(CODE_PAGE), [own.challenge_gone(), own.note_line(Note(word="cancelled"))])


ACTIONS: Final = {"verify": verify, "resend": resend, "switch": switch, "cancel": cancel}


def answer_errors(request: web.Request, waiting: Challenge | None) -> None:
    """Have the middleware answer an error of this request as the page does."""

    def answer(error: GatewayError) -> web.StreamResponse:
        return refused(request, waiting, error)

    request[ERROR_ANSWER] = answer


def error_page(request: web.Request, error: GatewayError) -> web.Response:
    """The page that says *error* where there is no form to say it on, such as a login that the guard refuses."""
    return request.app[VIEW].refusal(error, links=links_after(None), language=language_of(request))


def refused(request: web.Request, waiting: Challenge | None, error: GatewayError) -> web.Response:
    """The answer to a form that ended in *error*: back to the form, or a page if it was none of ours."""
    page = request.app[PAGE]
    if not isinstance(error, SAID_ON_THE_PAGE) and not is_empty_code(error):
        return request.app[VIEW].refusal(error, links=((texts.GO_ON, CODE_PAGE),), language=language_of(request))
    if waiting is None:
        # The page without a login says that there is none.
        return see_other(CODE_PAGE)
    return with_cookies(see_other(CODE_PAGE), [page.own.note_line(note_of(error, now=page.clock()), id=waiting.id)])


def is_empty_code(error: GatewayError) -> bool:
    return isinstance(error, Malformed) and error.reason == "otp"


def note_of(error: GatewayError, *, now: float) -> Note:
    left = error.attempts_left if isinstance(error, WrongOtp) else 0
    until = now + error.retry_after if isinstance(error, (Throttled, Unavailable)) else 0.0
    return Note(word=error.word, attempts_left=left, until=until)


# What the request says, and where it leads


def cookies_of(request: web.Request) -> Cookies:
    return cookies_in(request.headers.getall("Cookie", []))


def caller_of(request: web.Request) -> Caller:
    return Caller(client=CLIENT, visitor=visitor_of(request))


def landing_of(waiting: Challenge) -> str:
    """The path to show after the login: of this site, and in characters that a header can hold."""
    path = waiting.landing
    usable = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if usable and path.isascii() and path.isprintable() else "/"


def see_other(path: str) -> web.Response:
    headers = dict(HEADERS) | {"Location": path}
    return web.Response(status=HTTPStatus.SEE_OTHER, headers=headers)
