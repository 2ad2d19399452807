"""Drupal's own login: POST /user/login?_format=json, in core and without a module. Its cookie session is handed over.

The password is sent once, to one host, by an HTTP client that keeps no cookie, follows no redirect and ignores the
proxies of the environment (promise 12).
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from gateway.account import Account, DrupalSession, Visitor
from gateway.drupal import cookies, logout
from gateway.drupal.answers import Answer, opened_session
from gateway.drupal.contacts import Contacts
from gateway.drupal.headers import site_headers, visitor_headers
from gateway.drupal.options import SiteOptions
from gateway.drupal.peer import Peer, peer_at
from gateway.drupal.reading_on import ReadingOn
from gateway.errors import DrupalTimeout, GatewayError, Malformed
from gateway.interfaces import HandOver, Late, SessionCookie, UnusableCookie


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
        self._timeout_seconds = options.timeout_seconds
        self._host = options.host
        self._contacts = Contacts(way=options.contacts, phone_field=options.phone_field, profile=options.profile_fields)
        self._reading_on = ReadingOn()

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
        del authorization  # A bearer token belongs to another mode.
        sent = list(cookies.sent_cookies(cookie_header))
        if sent and logout_token is None:
            raise Malformed("logout_token")
        return [nameless(name, value, logout_token=logout_token or "") for name, value in sent]

    def session_cookies(self, set_cookies: Sequence[str]) -> list[SessionCookie]:
        return cookies.session_cookies(set_cookies)

    async def log_out(self, credential: DrupalSession, *, visitor: Visitor | None = None) -> tuple[str, ...]:
        # With the visitor's address: the quarter of one address limits these calls, too. Otherwise invented cookies
        # could use all of Drupal.
        headers = cookie_header(credential) | visitor_headers(visitor)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await logout.log_out(
                    self._drupal, credential.logout_token, headers, is_visitors=visitor is not None
                )
        except TimeoutError:
            raise DrupalTimeout("logout") from None
        return cookies.deletions(answer.cookies, credential.cookie_name, host=self._host)

    def answers(self) -> bool:
        return self._drupal.answers

    async def finish(self, *, most_seconds: float) -> None:
        await self._reading_on.finish(most_seconds=most_seconds)

    async def _log_in(self, name: str, password: str, visitor: Visitor, late: Late) -> DrupalSession:
        body = json.dumps({"name": name, "pass": password}, ensure_ascii=False).encode()
        headers = visitor_headers(visitor) | {"Content-Type": "application/json", "Accept": "application/json"}
        set_cookies: list[str] = []
        try:
            return opened_session(
                await self._drupal.ask("POST", "/user/login?_format=json", headers, body, cookies=set_cookies)
            )
        except (GatewayError, asyncio.CancelledError) as error:
            # A login can answer 500 or break off, and have opened a session all the same.
            opened = cookies.opened_cookie(set_cookies)
            if opened is None:
                raise
            # In a task of its own: when this one is cancelled, the session must be ended nevertheless.
            self._reading_on.keep(late(nameless(opened.name, opened.value, set_cookie=opened.line)))
            raise error if isinstance(error, GatewayError) else DrupalTimeout("body") from None


def cookie_header(session: DrupalSession) -> dict[str, str]:
    return {"Cookie": f"{session.cookie_name}={session.cookie_value}"}


def nameless(name: str, value: str, *, set_cookie: str = "", logout_token: str = "") -> DrupalSession:
    """A session that is known by its cookie alone."""
    return DrupalSession(
        uid="",
        cookie_name=name,
        cookie_value=value,
        set_cookie=set_cookie,
        csrf_token="",
        logout_token=logout_token,
    )
