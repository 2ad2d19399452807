"""Drupal's own login, in core and with no module: POST /user/login?_format=json, its cookie relayed.

A password is sent once, to one host, by a client that keeps no cookie, follows no redirect and believes no proxy of
the environment (promise 12).
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Literal
from urllib.parse import quote, urlencode, urlsplit

import structlog
from pydantic import Field, field_validator
from selectolax.lexbor import LexborHTMLParser

from gateway.account import Account, DrupalSession, Visitor
from gateway.drupal.answers import Answer, opened_session, session_cookie, unusable
from gateway.drupal.contacts import Contacts
from gateway.drupal.peer import Peer, peer_at
from gateway.errors import DrupalInvalid, DrupalTimeout, GatewayError
from gateway.interfaces import HandOver, Late
from gateway.options import Options, http_address

log = structlog.get_logger()

# A login that was given up is read on for this long, so that its cookie can be logged out (promise 3).
READ_ON_SECONDS = 60
# The queue is given up well before the request is: a password must not be sent for somebody who has left.
QUEUE_SECONDS = 5
CONNECT_SECONDS = 5
# At the end: how long what has come late may take to be ended, and then to be kept for later.
LAST_SECONDS = 1


class SessionOptions(Options):
    kind: Literal["session"] = "session"
    url: str = "http://127.0.0.1:8081"
    public_url: str | None = None
    timeout_seconds: float = Field(default=15, gt=0, le=READ_ON_SECONDS)
    max_concurrent: int = Field(default=32, ge=1, le=10_000)
    # Shorter than nginx's 65 s, or a POST meets a connection that the other side has just closed.
    keep_alive_seconds: float = Field(default=30, ge=0)
    contacts: Literal["auto", "jsonapi", "rest", "form", "off"] = "auto"
    phone_field: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,63}$")
    profile_fields: tuple[str, ...] = ("uid", "uuid", "name", "mail", "roles", "preferred_langcode")

    @field_validator("url", "public_url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        return http_address(url)

    @asynccontextmanager
    async def open(self) -> "AsyncGenerator[SessionDrupal]":
        """Yield the authenticator; who closes it has called `finish` before, or logins are given up here."""
        peer = peer_at(
            self.url,
            headers=canonical_headers(self),
            max_concurrent=self.max_concurrent,
            queue_seconds=min(QUEUE_SECONDS, self.timeout_seconds / 2),
            connect_seconds=min(CONNECT_SECONDS, self.timeout_seconds),
            keep_alive_seconds=self.keep_alive_seconds,
        )
        async with peer as connected:
            drupal = SessionDrupal(connected, self)
            try:
                yield drupal
            finally:
                await drupal.finish(most_seconds=0)


class SessionDrupal:
    """Implements interfaces.Authenticator with Drupal's cookie sessions."""

    def __init__(self, drupal: Peer, options: SessionOptions) -> None:
        self._drupal = drupal
        self._options = options
        self._contacts = Contacts(way=options.contacts, phone_field=options.phone_field, profile=options.profile_fields)
        self._host = urlsplit(options.public_url or options.url).hostname or ""
        self._given_up: set[asyncio.Task[DrupalSession]] = set()
        self._reading_on: set[asyncio.Task[None]] = set()
        self._given_up_because = "never_answered"

    async def authenticate(self, *, name: str, password: str, visitor: Visitor, late: Late) -> DrupalSession:
        """Have Drupal check name and password, once. A session that arrives after giving up goes to *late*."""
        login = asyncio.create_task(self._log_in(name, password, visitor, late))
        try:
            return await asyncio.wait_for(asyncio.shield(login), self._options.timeout_seconds)
        except TimeoutError:
            self._read_on(login, late)
            self._drupal.timed_out(visitor.address)
            raise DrupalTimeout("login") from None
        except asyncio.CancelledError:
            self._read_on(login, late)
            raise

    async def describe(self, session: DrupalSession, *, visitor: Visitor) -> Account:
        async def get(path: str, accept: str) -> Answer:
            headers = cookie_of(session) | visitor_headers(visitor) | {"Accept": accept}
            return await self._drupal.ask("GET", path, headers, follow_up=True)

        try:
            return await asyncio.wait_for(self._contacts.read(session, get), self._options.timeout_seconds)
        except TimeoutError:
            raise DrupalTimeout("contacts") from None

    def hand_over(self, session: DrupalSession) -> HandOver:
        return HandOver(
            cookies=(session.set_cookie,),
            session={"csrf_token": session.csrf_token, "logout_token": session.logout_token},
        )

    async def log_out(self, session: DrupalSession, *, visitor: Visitor | None = None) -> tuple[str, ...]:
        """204 and 403 both mean gone; the token must be in the query (measured, Drupal 10.6 and 11.4)."""
        # Whoever asks has no more than his quarter of Drupal, or a cookie made up would take it from everybody.
        headers = cookie_of(session) | (visitor_headers(visitor) if visitor else {})
        try:
            async with asyncio.timeout(self._options.timeout_seconds):
                if not session.logout_token:
                    return await self._log_out_by_form(session, headers)
                token = quote(session.logout_token, safe="")
                answer = await self._drupal.ask("POST", f"/user/logout?_format=json&token={token}", headers)
                if visitor and answer.status == HTTPStatus.FORBIDDEN:
                    # The session is dead, or a client's token was not its own: Drupal's page tells them apart.
                    return await self._log_out_by_form(session, headers)
        except TimeoutError:
            raise DrupalTimeout("logout") from None
        if answer.status not in GONE_STATUSES:
            raise unusable(answer)
        return self._deletions(answer, session)

    async def _log_out_by_form(self, session: DrupalSession, headers: dict[str, str]) -> tuple[str, ...]:
        """End a session whose logout token never arrived, as a person would: on Drupal's own page."""
        headers = headers | {"Accept": "text/html"}
        asked = await self._drupal.ask("GET", "/user/logout/confirm", headers)
        if asked.status == HTTPStatus.NOT_FOUND:
            # Before Drupal 10.3 nobody asked back.
            answer = await self._drupal.ask("GET", "/user/logout", headers)
        elif asked.status == HTTPStatus.OK:
            form = urlencode(logout_form(asked)).encode()
            headers |= {"Content-Type": "application/x-www-form-urlencoded"}
            answer = await self._drupal.ask("POST", "/user/logout/confirm", headers, form)
        else:
            answer = asked
        if answer.status not in GONE_STATUSES | {HTTPStatus.FOUND, HTTPStatus.SEE_OTHER}:
            raise unusable(answer)
        return self._deletions(answer, session)

    def _deletions(self, answer: Answer, session: DrupalSession) -> tuple[str, ...]:
        return deletions(answer, session, host=self._host)

    def answers(self) -> bool:
        """False while the circuit breaker is open."""
        return self._drupal.answers

    async def finish(self, *, most_seconds: float) -> None:
        await self._all_read(most_seconds)
        self._given_up_because = "shutdown"
        for login in self._given_up:
            login.cancel()
        # What has come by now is ended, or kept for later by whoever it was passed to.
        await self._all_read(LAST_SECONDS)
        for task in self._reading_on:
            task.cancel()
        await self._all_read(LAST_SECONDS)

    async def _all_read(self, most_seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(most_seconds):
                # Again and again: a login that ends passes on what has come of it.
                while self._reading_on:
                    await asyncio.wait(self._reading_on)

    def _read_on(self, login: asyncio.Task[DrupalSession], late: Late) -> None:
        self._given_up.add(login)
        login.add_done_callback(self._given_up.discard)
        self._keep(self._bring_late(login, late))

    def _keep(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.create_task(work)
        self._reading_on.add(task)
        task.add_done_callback(self._reading_on.discard)

    async def _bring_late(self, login: asyncio.Task[DrupalSession], late: Late) -> None:
        await asyncio.wait({login}, timeout=READ_ON_SECONDS)
        login.cancel()
        await asyncio.wait({login})
        if login.cancelled():
            log.warning("drupal.orphan", reason=self._given_up_because)
            return
        try:
            session = login.result()
        except GatewayError as error:
            log.info("drupal.late_refusal", reason=error.word)
        else:
            await late(session)

    async def _log_in(self, name: str, password: str, visitor: Visitor, late: Late) -> DrupalSession:
        body = json.dumps({"name": name, "pass": password}, ensure_ascii=False).encode()
        headers = visitor_headers(visitor) | {"Content-Type": "application/json", "Accept": "application/json"}
        cookies: list[str] = []
        try:
            return opened_session(
                await self._drupal.ask("POST", "/user/login?_format=json", headers, body, cookies=cookies)
            )
        except (GatewayError, asyncio.CancelledError) as error:
            # A login can answer 500 or break off and have opened a session all the same.
            cookie = session_cookie(cookies)
            if cookie is None:
                raise
            # Beside this task: who gives it up gives up reading, not what was read.
            self._keep(late(nameless(*cookie)))
            raise error if isinstance(error, GatewayError) else DrupalTimeout("body") from None


def canonical_headers(options: SessionOptions) -> dict[str, str]:
    """Host and scheme as visitors see them, the same on every call: Drupal names and scopes its cookie by them."""
    seen = urlsplit(options.public_url or options.url)
    headers = {"Host": seen.netloc}
    if options.public_url:
        headers["X-Forwarded-Proto"] = seen.scheme
    return headers


def visitor_headers(visitor: Visitor) -> dict[str, str]:
    """Exactly one canonical address, and two headers cut to 256 printable ASCII characters."""
    headers = {"X-Forwarded-For": visitor.address}
    if visitor.user_agent:
        headers["User-Agent"] = visitor.user_agent
    if visitor.accept_language:
        headers["Accept-Language"] = visitor.accept_language
    return headers


def cookie_of(session: DrupalSession) -> dict[str, str]:
    return {"Cookie": f"{session.cookie_name}={session.cookie_value}"}


def nameless(cookie_name: str, cookie_value: str, set_cookie: str) -> DrupalSession:
    """A session of which nothing is known but its cookie."""
    return DrupalSession(
        uid="",
        cookie_name=cookie_name,
        cookie_value=cookie_value,
        set_cookie=set_cookie,
        csrf_token="",
        logout_token="",
    )


def logout_form(page: Answer) -> list[tuple[str, str]]:
    """The fields of Drupal's question whether to log out. Raises DrupalInvalid when it is not there."""
    html = LexborHTMLParser(page.body.decode(errors="replace"))
    marker = html.css_first('form input[name="form_id"][value="user_logout_confirm"]')
    form = marker.parent if marker else None
    while form is not None and form.tag != "form":
        form = form.parent
    if form is None:
        raise DrupalInvalid("logout_form")
    inputs = [field.attributes for field in form.css("input[name]")]
    return [(field["name"] or "", field.get("value") or "") for field in inputs]


def deletions(answer: Answer, session: DrupalSession, *, host: str) -> tuple[str, ...]:
    """The lines that delete the cookie in a browser: Drupal's own, else made as Drupal scopes it.

    A dotted host gets `domain=.host`, the SSESS prefix goes with `secure` (measured, Drupal 10.6 and 11.4).
    """
    own = tuple(line for line in answer.cookies if line.startswith(f"{session.cookie_name}=deleted;"))
    if own:
        return own
    dotted = "." in host and not host.replace(".", "").isdecimal()
    domain = [f"domain=.{host}"] if dotted else []
    secure = ["secure"] if session.cookie_name.startswith("SSESS") else []
    return ("; ".join([f"{session.cookie_name}=deleted", GONE, *domain, *secure, "HttpOnly"]),)


GONE_STATUSES = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.FORBIDDEN})
GONE = "expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; path=/"
