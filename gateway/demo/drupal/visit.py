"""One request as Drupal sees it after its middleware, and the answers that it can get."""

import gzip
import json
import re
from collections.abc import Mapping
from email.utils import formatdate
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from gateway.demo.drupal import markup, php
from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.ledger import Ending, Session, is_well_formed, session_id
from gateway.demo.drupal.origin import Origin
from gateway.demo.drupal.paths import find_alias, fold_case, read_target, without_language
from gateway.demo.drupal.site import DrupalOptions, Site
from gateway.demo.drupal.tokens import Token

COOKIE_SECONDS = 2_000_000
DELETED = "deleted; expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; path=/"
UNEXPECTED = "The website encountered an unexpected error. Try again later."
# PHP writes this phrase with every 500, also with one that a custom module answers.
UNEXPECTED_REASON = "500 Service unavailable (with message)"
ONLY_HTML = "A route that returns a rendered array as its response only supports the HTML format."
HEX_ESCAPES = {"'": "\\u0027", "&": "\\u0026", "<": "\\u003C", ">": "\\u003E", "/": "\\/", '\\"': "\\u0022"}
ALWAYS = {
    "Cache-Control": "must-revalidate, no-cache, private",
    "Expires": "Sun, 19 Nov 1978 05:00:00 GMT",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Server": "nginx",
}
JSON_API = "application/vnd.api+json"
# The values of _format that mean a page (measured, Drupal 10.6 and 11.4).
HTML_FORMATS = frozenset({"html", "iframeupload", "drupal_ajax"})


class RefusedError(Exception):
    """A refusal, in the format that was asked for."""

    def __init__(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class Visit:
    """A request, the account that sent it, and the cookies that its answer sets."""

    def __init__(self, request: web.Request, site: Site, origin: Origin) -> None:
        """Read *request*. Raises BrokenPathError."""
        options = site.options
        self.request = request
        self.site = site
        self.origin = origin
        self.method = request.method
        self.headers = php.headers(request.headers.items())
        self.target = read_target(request.raw_path, version=options.major)
        # As it was written, and folded: the path that Drupal routes by.
        self.written = internal_path(self.target.path, options)
        self.path = fold_case(self.written)
        self.query = php.parse_query(self.target.query)
        self.format = "api_json" if self.is_json_api else self.query.get("_format") or "html"
        if self.format in HTML_FORMATS:
            self.format = "html"
        self.session: Session | None = None
        self.account: User | None = None
        # The credentials of the request itself, which come before a session.
        self.basic: tuple[str, str] | None = None
        self.bearer: Token | None = None
        # Whether the answer is a themed page, so that it shows blocks.
        self.is_page = False
        self._cookies: list[str] = []
        self._ended: Session | None = None
        self._fields: php.Fields | None = None

    @property
    def segments(self) -> list[str]:
        """The parts of the path; none at all for the front page."""
        return [] if self.path == "/" else self.path[1:].split("/")

    @property
    def is_by_session(self) -> bool:
        """Whether the account is that of the session, and not of credentials in a header."""
        return self.account is not None and self.basic is None and self.bearer is None

    @property
    def is_json_api(self) -> bool:
        return self.site.has("jsonapi") and self.path.split("/")[1:2] == ["jsonapi"]

    @property
    def charset(self) -> str:
        """Measured: Drupal 10.6 writes it in capitals, 11.4 does not."""
        return "UTF-8" if self.site.options.major == "10" else "utf-8"

    @cached_property
    def cookie(self) -> str | None:
        """The session id that was sent under the name of the session cookie; the first one of two, as in PHP."""
        for pair in self.headers.get("cookie", "").split(";"):
            name, given, value = pair.strip(" ").partition("=")
            if given and name == self.origin.cookie_name:
                return unquote(value)
        return None

    async def form(self) -> php.Fields:
        """Return the fields of a posted form, or none of them.

        Measured, Drupal 10.6 and 11.4: Symfony also reads an urlencoded PUT.
        """
        if self._fields is None:
            self._fields = await self._read_form()
        return self._fields

    async def _read_form(self) -> php.Fields:
        content_type = self.headers.get("content-type", "")
        if self.request.method == "POST":
            return php.parse_body(await self.request.read(), content_type)
        if self.request.method == "PUT" and content_type.startswith(php.URLENCODED):
            return php.parse_body(await self.request.read(), php.URLENCODED)
        return {}

    async def log_in(self, user: User) -> Session:
        """Open a session for *user* and let the answer set its cookie. The site's gate may hold this."""
        if self.site.gate is not None:
            await self.site.gate.hold(after_birth=False)
        session = self.site.log_in(self.origin, user, instead_of=self.session)
        self.send_cookie(session)
        if self.site.gate is not None:
            await self.site.gate.hold(after_birth=True)
        return session

    def log_out(self, how: Ending) -> None:
        """End the session of this visit."""
        if self.session is not None:
            self.site.ledger.end(self.session, how, now=self.site.now())
            self._ended = self.session
        self.session = self.account = None

    def remember(self, key: str, value: object) -> None:
        """Keep *value* in the session; an anonymous one is opened if there is none."""
        if self.session is None:
            self.send_cookie(self.site.open_session(self.origin, 0))
        if self.session is not None:
            self.session.data[key] = value

    def recall(self, key: str) -> Any:
        """Return what the session keeps, or None."""
        return self.session.data.get(key) if self.session is not None else None

    def add_message(self, text: str) -> None:
        """Show *text* on the next page of this session, once."""
        kept = self.recall("messages") or []
        self.remember("messages", kept if text in kept else [*kept, text])

    def send_cookie(self, session: Session) -> None:
        """Let the answer set the cookie of *session*, instead of any other."""
        self.session = session
        self._cookies = [self._live_cookie(session.value)]

    def json(
        self, document: object, status: int = HTTPStatus.OK, content_type: str = "application/json"
    ) -> web.Response:
        return self._answer(status, php_json(document), content_type)

    def text(self, text: str, status: int = HTTPStatus.OK) -> web.Response:
        return self._answer(status, text, f"text/plain; charset={self.charset}")

    def html(self, title: str, content: str, status: int = HTTPStatus.OK) -> web.Response:
        self.is_page = True
        messages = self.session.data.pop("messages", ()) if self.session is not None else ()
        body = markup.page(
            self.site.options.name,
            title,
            self.site.options.block + markup.messages(messages) + self.login_block + content,
            self.account.name if self.account else None,
        )
        return self._answer(status, body, f"text/html; charset={self.charset}")

    @property
    def shows_login_block(self) -> bool:
        """Whether the page has the login block.

        Measured, Drupal 10.6 and 11.4: every page for anonymous users has it, not only a dialog's content.
        """
        is_dialog = self.query.get("_wrapper_format", "").startswith(("drupal_modal", "drupal_dialog"))
        return self.site.options.login_block and self.account is None and not is_dialog

    @property
    def login_block(self) -> str:
        """The HTML of the login block, if the page has it; the login page shows the form only once."""
        return markup.login() if self.shows_login_block and self.path != "/user/login" else ""

    def redirect(self, location: str, status: int = HTTPStatus.FOUND) -> web.Response:
        """Redirect the client.

        Measured, Drupal 11.4: the first redirect after a login has `check_logged_in=1` in its query.
        """
        if self.session is not None and self.session.uid and self.session.check_logged_in:
            self.session.check_logged_in = False
            location += ("&" if "?" in location else "?") + "check_logged_in=1"
        answer = self._answer(status, markup.redirect(location), "text/html; charset=utf-8")
        answer.headers["Location"] = location
        return answer

    def answer_with(self, body: str | bytes, content_type: str, status: int = HTTPStatus.OK) -> web.Response:
        """Answer with something that is neither JSON nor a page."""
        return self._answer(status, body, content_type)

    def empty(self, status: int, content_type: str | None = None) -> web.Response:
        return self._answer(status, "", content_type)

    def refuse(self, refused: RefusedError) -> web.Response:
        """Answer *refused* in the format that was asked for (measured, Drupal 11.4)."""
        answer = self._refusal(refused.status, refused.message)
        answer.headers.update(refused.headers)
        return answer

    def _refusal(self, status: HTTPStatus, message: str) -> web.Response:
        match self.format:
            case "json" if status != HTTPStatus.INTERNAL_SERVER_ERROR:
                return self.json({"message": message}, status)
            case "api_json" if self.site.has("jsonapi"):
                return self.json(self.json_api_errors(status, message), status, JSON_API)
            case "html":
                return self.html(markup.TITLES.get(status, status.phrase), markup.explain(status), status)
            case _:
                return self.text(message, status)

    def json_api_errors(self, status: HTTPStatus, detail: str, info: str | None = None) -> dict[str, object]:
        """Return the JSON:API document of one error."""
        anchor = f"https://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec10.{status // 100}.{status % 100 + 1}"
        links = {"via": {"href": self.url}, "info": {"href": info or anchor}}
        error = {"title": status.phrase, "status": str(int(status)), "detail": detail, "links": links}
        return {"jsonapi": self.json_api_version, "errors": [error]}

    @property
    def json_api_version(self) -> dict[str, object]:
        number, scheme = ("1.0", "http") if self.site.options.major == "10" else ("1.1", "https")
        return {"version": number, "meta": {"links": {"self": {"href": f"{scheme}://jsonapi.org/format/{number}/"}}}}

    @property
    def url(self) -> str:
        """The absolute address that was asked for, its query encoded as PHP does."""
        return self.bare_url + markup.query(self.query)

    @property
    def bare_url(self) -> str:
        """The absolute address without its query."""
        return self.origin.base_url + self.request.raw_path.partition("#")[0].partition("?")[0]

    def finish(self, answer: web.StreamResponse) -> web.StreamResponse:
        """Add the cookies and cache headers, and compress the body if the client accepts gzip, as nginx does."""
        self.add_cookies(answer)
        self._add_cache_headers(answer)
        body = answer.body if isinstance(answer, web.Response) else None
        if isinstance(body, bytes) and body and "gzip" in self.request.headers.get("Accept-Encoding", ""):
            answer.headers["Content-Encoding"] = "gzip"
            answer.body = gzip.compress(body)  # type: ignore[attr-defined]
        return answer

    def _add_cache_headers(self, answer: web.StreamResponse) -> None:
        """Say whether the page cache has the answer, and let others keep it if the site allows that.

        As in core's page_cache: only pages of visitors without a session are kept.
        """
        is_kept = self.is_page and self.method in ("GET", "HEAD") and self.cookie is None and not self._cookies
        if not is_kept or self.account is not None:
            answer.headers["X-Drupal-Cache"] = "UNCACHEABLE (request policy)"
            return
        key = self.url
        answer.headers["X-Drupal-Cache"] = "HIT" if key in self.site.cached_pages else "MISS"
        self.site.cached_pages.add(key)
        if self.site.options.page_max_age_seconds and answer.status == HTTPStatus.OK:
            answer.headers["Cache-Control"] = f"max-age={self.site.options.page_max_age_seconds}, public"
            answer.headers["Vary"] = "Cookie"

    def add_cookies(self, answer: web.StreamResponse) -> None:
        for cookie in self._cookies or self._cookies_without_session():
            answer.headers.add("Set-Cookie", cookie)

    def _cookies_without_session(self) -> list[str]:
        """Delete a cookie that has no session.

        Measured: PHP sets a new id first, on 11.4 for any id that it does not know, on 10.6 for a malformed one.
        """
        if self.cookie is None or self.site.ledger.find(self.cookie) is not None:
            return []
        deleting = f"{self.origin.cookie_name}={DELETED}{self.origin.cookie_scope}; HttpOnly"
        if self._ended is not None or (self.site.options.major == "10" and is_well_formed(self.cookie)):
            return [deleting]
        return [self._live_cookie(session_id(version=self.site.options.major, comma=False)), deleting]

    def _live_cookie(self, value: str) -> str:
        expires = formatdate(self.site.now() + COOKIE_SECONDS, usegmt=True)
        scope = self.origin.cookie_scope
        lifetime = f"expires={expires}; Max-Age={COOKIE_SECONDS}; path=/{scope}"
        return f"{self.origin.cookie_name}={value}; {lifetime}; HttpOnly; SameSite=Lax"

    def _answer(self, status: int, body: str | bytes, content_type: str | None) -> web.Response:
        headers = {**ALWAYS, "X-Generator": f"Drupal {self.site.options.major} (https://www.drupal.org)"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        reason = UNEXPECTED_REASON if status == HTTPStatus.INTERNAL_SERVER_ERROR else None
        raw = body if isinstance(body, bytes) else body.encode()
        return web.Response(status=status, reason=reason, body=raw, headers=headers)


def internal_path(path: str, options: DrupalOptions) -> str:
    """Return the internal path of *path*: without a language's prefix, without an alias, and of the front page."""
    inner = without_language(path, options.languages)
    if options.aliases:
        inner = find_alias(inner, options.aliases) or inner
    return options.front if inner == "/" and options.front else inner


def php_json(document: object) -> str:
    """Encode as Drupal does: JSON_HEX_TAG, _APOS, _AMP and _QUOT, slashes and everything beyond ASCII escaped."""
    encoded = json.dumps(document, separators=(",", ":"))
    return re.sub(r"\\.|['&<>/]", lambda found: HEX_ESCAPES.get(found[0], found[0]), encoded)
