"""Drupal's own login: POST /user/login?_format=json, in core and without a module. Its cookie session is handed over.

The password is sent once, to one host, by an HTTP client that keeps no cookie, follows no redirect and ignores the
proxies of the environment (promise 12).
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Literal

import structlog

from gateway.account import Account, DrupalSession, Visitor
from gateway.collation import fold
from gateway.drupal import cookies, logout
from gateway.drupal.answers import Answer, opened_session
from gateway.drupal.contacts import Contacts
from gateway.drupal.headers import site_headers, visitor_headers
from gateway.drupal.options import SiteOptions
from gateway.drupal.peer import UNREADABLE, Peer, peer_at
from gateway.drupal.reading_on import ReadingOn
from gateway.drupal.whose import whose
from gateway.errors import DrupalInvalid, DrupalTimeout, GatewayError, Malformed
from gateway.interfaces import HandOver, Late, LoggedOut, UnusableCookie

log = structlog.get_logger()


class SessionOptions(SiteOptions):
    kind: Literal["session"] = "session"

    @asynccontextmanager
    async def open(self) -> "AsyncGenerator[SessionDrupal]":
        """Yield the authenticator. Logins that its `finish` has not waited for are given up at the end."""
        peer = peer_at(
            self.url,
            headers=site_headers(self.url, self.public_url),
            max_concurrent=self.max_concurrent,
            queue_seconds=self.queue_seconds,
            connect_seconds=self.connect_seconds,
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
        # Questions about sessions come with every page. They must not take the places of logins.
        self._questions = drupal.beside(options.max_concurrent, queue_seconds=options.queue_seconds)
        self._timeout_seconds = options.timeout_seconds
        self._host = options.host
        self._login_by_mail = options.login_by_mail
        self._contacts = Contacts(way=options.contacts, phone_field=options.phone_field, profile=options.profile_fields)
        self._reading_on = ReadingOn()
        self._configured_name = options.cookie_name
        self._computed_name = cookies.session_name(options.public_url or options.url)
        # What Drupal called its cookie in the last login. None before the first login of this process.
        self._seen_name: str | None = None

    async def authenticate(self, *, name: str, password: str, visitor: Visitor, late: Late) -> DrupalSession:
        login = asyncio.create_task(self._log_in(name, password, visitor, late))
        try:
            return await asyncio.wait_for(asyncio.shield(login), self._timeout_seconds)
        except TimeoutError:
            self._reading_on.read_on(login, late)
            self._drupal.timed_out(visitor.address)
            raise DrupalTimeout("login") from None
        except asyncio.CancelledError:
            self._reading_on.read_on(login, late)
            raise

    async def describe(self, credential: DrupalSession, *, visitor: Visitor) -> Account:
        async def get(path: str, accept: str) -> Answer:
            headers = cookie_header(credential) | visitor_headers(visitor) | {"Accept": accept}
            return await self._drupal.ask("GET", path, headers, follow_up=True)

        try:
            return await asyncio.wait_for(self._contacts.read(credential, get), self._timeout_seconds)
        except TimeoutError:
            raise DrupalTimeout("contacts") from None

    def hand_over(self, credential: DrupalSession) -> HandOver:
        return HandOver(
            cookies=(credential.set_cookie,),
            session={"csrf_token": credential.csrf_token, "logout_token": credential.logout_token},
        )

    def unusable_cookies(self, handed: HandOver, *, public_url: str | None) -> list[UnusableCookie]:
        return cookies.unusable_cookies(handed.cookies, public_url=public_url)

    def credentials_in(
        self, *, cookie_header: str, authorization: str, logout_token: str | None
    ) -> list[DrupalSession]:
        del authorization  # A bearer token is of another mode.
        sent = cookies.sent_cookie(
            cookie_header, (self._seen_name, self._computed_name), any_name=self._seen_name is None
        )
        if sent is None:
            return []
        if logout_token is None:
            raise Malformed("logout_token")
        return [nameless(*sent, logout_token=logout_token)]

    @property
    def cookie_name(self) -> str:
        return self._configured_name or self._seen_name or self._computed_name

    def deletions(self) -> tuple[str, ...]:
        return cookies.deletions_anywhere(self.cookie_name, host=self._host)

    def session_of(self, set_cookie: str, *, uid: str) -> DrupalSession:
        name, _, rest = set_cookie.partition("=")
        return nameless(name.strip(), rest.partition(";")[0].strip(), set_cookie=set_cookie, uid=uid)

    async def whose(self, credential: DrupalSession, *, visitor: Visitor) -> str:
        headers = cookie_header(credential) | visitor_headers(visitor) | {"Accept": "application/json"}
        try:
            return await asyncio.wait_for(whose(self._questions, headers), self._timeout_seconds)
        except TimeoutError:
            raise DrupalTimeout("whose") from None

    async def log_out(self, credential: DrupalSession, *, visitor: Visitor | None = None) -> LoggedOut:
        # The visitor's address goes along, so that the visitor's network gets no more than its quarter of Drupal.
        # Otherwise, invented cookies could take all of Drupal.
        headers = cookie_header(credential) | visitor_headers(visitor)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await logout.log_out(
                    self._drupal, credential.logout_token, headers, is_visitors=visitor is not None
                )
        except TimeoutError:
            raise DrupalTimeout("logout") from None
        return LoggedOut(
            cookies=cookies.deletions(answer.cookies, credential.cookie_name, host=self._host),
            # Drupal refuses to log out where nobody is logged in.
            ended=answer.status != HTTPStatus.FORBIDDEN,
        )

    def answers(self) -> bool | None:
        return self._drupal.answers

    async def finish(self, *, most_seconds: float) -> None:
        await self._reading_on.finish(most_seconds=most_seconds)

    async def _log_in(self, name: str, password: str, visitor: Visitor, late: Late) -> DrupalSession:
        body = json.dumps({"name": name, "pass": password}, ensure_ascii=False).encode()
        headers = visitor_headers(visitor) | {"Content-Type": "application/json", "Accept": "application/json"}
        set_cookies: list[str] = []
        try:
            answer = await self._drupal.ask("POST", "/user/login?_format=json", headers, body, cookies=set_cookies)
            session = self._session_of(answer, name)
        except (GatewayError, asyncio.CancelledError) as error:
            # A login can answer 500 or break off, and have opened a session all the same.
            opened = cookies.opened_cookies(set_cookies)
            if isinstance(error, DrupalInvalid) and error.reason == UNREADABLE:
                log.warning("drupal.orphan", reason=UNREADABLE)
            if not opened:
                raise
            for cookie in opened:
                # In a new task: even if the current task is cancelled, the session must be ended.
                self._reading_on.keep(late(nameless(cookie.name, cookie.value, set_cookie=cookie.line)))
            raise error if isinstance(error, GatewayError) else DrupalTimeout("body") from None
        self._seen_name = session.cookie_name
        return session

    def _session_of(self, answer: Answer, name: str) -> DrupalSession:
        """Return the session in *answer*. Raises DrupalInvalid if it is another user's than *name*'s."""
        session = opened_session(answer)
        # An answer with another name is the answer to another request. The site's database may treat different
        # spellings as equal.
        if not self._login_by_mail and not (session.name and fold(session.name) == fold(name)):
            raise DrupalInvalid("other_name")
        return session


def cookie_header(session: DrupalSession) -> dict[str, str]:
    return {"Cookie": f"{session.cookie_name}={session.cookie_value}"}


def nameless(name: str, value: str, *, set_cookie: str = "", logout_token: str = "", uid: str = "") -> DrupalSession:
    """A session that is known by its cookie alone."""
    return DrupalSession(
        uid=uid,
        cookie_name=name,
        cookie_value=value,
        set_cookie=set_cookie,
        csrf_token="",
        logout_token=logout_token,
    )
