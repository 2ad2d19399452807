"""What the guard answers in Drupal's place: the way to the code page, and refusals. Nobody stores any of it.

| who asks | a code is needed | the session may no longer act |
|---|---|---|
| a browser that navigates | 303 to /headless/challenge | 303 to the same page |
| Drupal's own scripts (`_wrapper_format=drupal_ajax`) | 200, the command `redirect` | 403 |
| any other program | 403, JSON as from /headless/authenticate | 403 |
"""

from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from gateway.language_choice import msgid
from gateway.login.outcome import Pending
from gateway.web.headless.handlers import pending_body
from gateway.web.http.app_keys import language_of
from gateway.web.http.error_answers import refused_by_http
from gateway.web.http.responses import FIXED, answer, as_text, with_cookies
from gateway.web.site.guard import wants_page

CODE_PAGE: Final = "/headless/challenge"
CODE_NEEDED: Final = msgid("A code is needed to log in.")
SESSION_ENDED: Final = msgid("Please log in again.")


def required(request: web.Request, pending: Pending) -> web.Response:
    """Answer a login that waits for its code."""
    if is_ajax(request):
        return _redirect_command(CODE_PAGE)
    if shows_pages(request):
        return see_other(CODE_PAGE)
    language = language_of(request)
    body = {
        **pending_body(pending.username, pending, language),
        "status": "ERROR",
        "message": language.say(CODE_NEEDED),
        "code": "second_factor_required",
    }
    return answer(body, language=language, status=HTTPStatus.FORBIDDEN)


def again(request: web.Request, *, gone: str) -> web.Response:
    """Answer a request whose session was ended: the cookie *gone* is deleted, and a page is asked for again."""
    if request.method in ("GET", "HEAD") and shows_pages(request):
        response = see_other(request.raw_path)
    else:
        language = language_of(request)
        body = {"status": "ERROR", "message": language.say(SESSION_ENDED), "code": "session_ended"}
        response = answer(body, language=language, status=HTTPStatus.FORBIDDEN)
    secure = "; Secure" if gone.startswith("SSESS") else ""
    return with_cookies(response, [f"{gone}=deleted; Max-Age=0; Path=/; HttpOnly{secure}"])


def not_found(request: web.Request) -> web.Response:
    return refused_by_http(HTTPStatus.NOT_FOUND, language_of(request))


def see_other(path: str) -> web.Response:
    headers = {name: value for name, value in FIXED.items() if name != "Content-Type"}
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={**headers, "Location": path})


def shows_pages(request: web.Request) -> bool:
    """Whether the client shows pages to a person."""
    return wants_page(request.headers.get("Accept", ""), is_ajax=is_ajax(request))


def is_ajax(request: web.Request) -> bool:
    """Whether Drupal's own scripts ask, which act on commands."""
    query = parse_qsl(urlsplit(request.raw_path).query, errors="replace", max_num_fields=None)
    return any(name == "_wrapper_format" and value.startswith("drupal_") for name, value in query)


def _redirect_command(path: str) -> web.Response:
    # Drupal's scripts ignore commands without this header (core/misc/ajax.js).
    commands = [{"command": "redirect", "url": path}]
    return web.Response(
        body=as_text(commands).encode(),  # type: ignore[arg-type]  # the encoder takes lists, too
        headers={**FIXED, "X-Drupal-Ajax-Token": "1"},
    )
