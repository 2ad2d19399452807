"""What the guard answers in Drupal's place: the way to the code page, and refusals. None of it may be cached.

| who asks | a code is needed | a refusal | the session may no longer act |
|---|---|---|---|
| a browser that shows pages | 303 to the code page | a page | 303 to the same page; 403 for a form |
| Drupal's own scripts (`_wrapper_format=drupal_ajax`) | the command `redirect` | JSON | 403 |
| any other program | 403, JSON as from /headless/authenticate | JSON | 403 |
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from gateway.errors import GatewayError, SessionEnded
from gateway.language_choice import Language, msgid
from gateway.login.outcome import Pending
from gateway.texts.catalogues import Languages
from gateway.web.headless.handlers import pending_body
from gateway.web.http.error_answers import problem, refused_by_http
from gateway.web.http.responses import FIXED, answer, as_text, with_cookies
from gateway.web.site import code_texts as texts
from gateway.web.site.assets import PATH
from gateway.web.site.code_view import CodeView
from gateway.web.site.guard import landing, wants_page
from gateway.web.site.own_cookies import Challenge, OwnCookies

CODE_PAGE: Final = PATH.rstrip("/")
CODE_NEEDED: Final = msgid("A code is needed to log in.")


class GuardAnswers:
    """Makes them in the visitor's language. *origin* is the site's own, as browsers name it."""

    def __init__(self, view: CodeView, own: OwnCookies, languages: Languages, *, origin: str) -> None:
        self._view = view
        self._own = own
        self._languages = languages
        self._origin = origin

    def required(self, request: web.Request, pending: Pending, *, location: str) -> web.Response:
        """Answer a login that waits for its code. *location* is where Drupal would have led; empty if nowhere."""
        challenge = Challenge(
            id=pending.id,
            username=pending.username,
            auth_type=pending.auth_type,
            methods=pending.methods,
            destination=pending.destination,
            landing=landing(location, target=request.raw_path, origin=self._origin),
        )
        return with_cookies(self._way_to_the_code(request, pending), [self._own.challenge_line(challenge)])

    def _way_to_the_code(self, request: web.Request, pending: Pending) -> web.Response:
        if is_ajax(request):
            return redirect_command(CODE_PAGE)
        if shows_pages(request):
            return see_other(CODE_PAGE)
        language = self._language(request)
        body = {
            **pending_body(pending.username, pending, language),
            "status": "ERROR",
            "message": language.say(CODE_NEEDED),
            "code": "second_factor_required",
        }
        return answer(body, language=language, status=HTTPStatus.FORBIDDEN)

    def again(self, request: web.Request, *, gone: Iterable[str]) -> web.Response:
        """Answer a request whose session was ended. The lines *gone* delete its cookie; a page is loaded again."""
        if request.method in ("GET", "HEAD") and shows_pages(request):
            # A target that begins with two slashes would lead to another host.
            response = see_other(landing("", target=request.raw_path, origin=self._origin))
        else:
            response = self.refused(request, SessionEnded())
        return with_cookies(response, gone)

    def refused(self, request: web.Request, error: GatewayError) -> web.Response:
        """Answer a request that ended in *error*."""
        language = self._language(request)
        if shows_pages(request):
            return self._view.refusal(error, links=((texts.HOME, "/"),), language=language)
        return problem(error, {}, language)

    def not_found(self, request: web.Request) -> web.Response:
        """Answer for a path that is closed."""
        return refused_by_http(HTTPStatus.NOT_FOUND, self._language(request))

    def _language(self, request: web.Request) -> Language:
        return self._languages.asked_for(request.headers.get("Accept-Language", ""))


def see_other(path: str) -> web.Response:
    headers = {name: value for name, value in FIXED.items() if name != "Content-Type"}
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={**headers, "Location": path})


def redirect_command(path: str) -> web.Response:
    """The command by which Drupal's scripts leave the page. They ignore commands without the token's header."""
    commands = [{"command": "redirect", "url": path}]
    return web.Response(body=as_text(commands).encode(), headers={**FIXED, "X-Drupal-Ajax-Token": "1"})


def shows_pages(request: web.Request) -> bool:
    """Whether the client shows pages to a person."""
    return wants_page(request.headers.get("Accept", ""), is_ajax=is_ajax(request))


def is_ajax(request: web.Request) -> bool:
    """Whether the request comes from Drupal's own scripts, which carry out the commands in an answer."""
    query = parse_qsl(urlsplit(request.raw_path).query, errors="replace")
    return any(name == "_wrapper_format" and value.startswith("drupal_") for name, value in query)
