"""The gate where the guard is on: what a request may carry to Drupal, and what an answer may set in the browser."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from aiohttp import web
from structlog.contextvars import bind_contextvars, clear_contextvars

from gateway.account import Credential, Visitor
from gateway.errors import DrupalInvalid, GatewayError, GrantRefused
from gateway.interfaces import Authenticator
from gateway.interfaces.upstream import Headers, UpstreamAnswer
from gateway.login.flow import LoginFlow
from gateway.login.outcome import Granted, Pending
from gateway.networks import within
from gateway.policy.check import PolicyCheck
from gateway.telemetry.log_setup import OncePerMinute
from gateway.transaction import GUARD
from gateway.web.http.client_ip import Addresses
from gateway.web.http.middleware import new_request_id
from gateway.web.http.running import Running
from gateway.web.http.statuses import TooLarge
from gateway.web.http.visitors import visitor_of
from gateway.web.site.anonymous import Anonymous
from gateway.web.site.births import Births
from gateway.web.site.bodies import ReadBody, read_whole
from gateway.web.site.gate import Admitted, Release
from gateway.web.site.guard import (
    GRANT_BYTES,
    GRANTS,
    Cookies,
    Place,
    SetSession,
    cookies_in,
    grants_asked,
    place_of,
    session_set_by,
    without_credentials,
)
from gateway.web.site.guard_answers import GuardAnswers
from gateway.web.site.handed_over import HandedOver
from gateway.web.site.options import GuardOptions
from gateway.web.site.own_cookies import OwnCookies
from gateway.web.site.sealed_cookies import Kind, SealedCookies, SealedSession
from gateway.web.site.spooled import Spooled, spooled

log = structlog.get_logger()

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Passed(Admitted):
    """A request that may go on.

    *session* is the session that the request carries. *is_alive*: Drupal has just said that this session is still its
    user's.
    """

    own: dict[str, str] = field(repr=False)
    session: SealedSession | None = field(default=None, repr=False)
    is_alive: bool = False


class Gatekeeper:
    """Makes sure that an authenticated session acts through the gateway only if it passed the second factor."""

    def __init__(
        self,
        *,
        options: GuardOptions,
        flow: LoginFlow,
        drupal: Authenticator,
        policy: PolicyCheck,
        births: Births,
        handed: HandedOver,
        sealed: SealedCookies,
        own: OwnCookies,
        answers: GuardAnswers,
        addresses: Addresses,
        running: Running,
        idle_seconds: float,
    ) -> None:
        self._options = options
        self._flow = flow
        self._drupal = drupal
        self._policy = policy
        self._births = births
        self._handed = handed
        self._sealed = sealed
        self._own = own
        self._answers = answers
        self._addresses = addresses
        self._running = running
        self._idle_seconds = idle_seconds
        self._anonymous = Anonymous(seconds=options.ask_cache_seconds)
        self._dropped: defaultdict[str, OncePerMinute] = defaultdict(OncePerMinute)
        self._unsealed = OncePerMinute()

    # The request

    async def admit(self, request: web.Request, headers: Headers) -> Admitted | web.StreamResponse:
        """Remove from the request everything that could act as a user, except a session that may act."""
        place = place_of(request.raw_path)
        if place == "closed" and not within(self._addresses.of(request), self._options.allow_networks):
            self._say_dropped("path")
            return self._answers.not_found(request)
        kept, dropped = without_credentials(headers, bearer=self._options.bearer == "pass")
        if dropped:
            self._say_dropped(dropped[0])
        # Of these headers, each character is one byte: a cookie may hold bytes that are no text.
        cookies = cookies_in(value for name, value in headers if name.lower() == "cookie")
        session = self._opened(cookies)
        may_act = session is None or await self._may_act(session, request)
        if not may_act:
            return await self._ended(request, session)
        session = session or await self._asked_about(cookies, request)
        try:
            body = await self._token_body(request) if place == "token" else None
        except (GrantRefused, TooLarge) as error:
            return self._answers.refused(request, error)
        is_alive = session is not None and await self._is_alive(request, session, place)
        if session is not None and request.method not in SAFE:
            # This request can turn the session into a user's.
            self._anonymous.forget(session.id)
        return Passed(
            headers=[*kept, *self._cookie_header(cookies, None if has_token(kept) else session)],
            body=body,
            own=cookies.own,
            session=session,
            is_alive=is_alive,
        )

    def _opened(self, cookies: Cookies) -> SealedSession | None:
        name = self._drupal.cookie_name
        opened = (self._sealed.open(name, value) for sent, value in cookies.sessions if sent == name)
        return next((session for session in opened if session is not None), None)

    async def _may_act(self, session: SealedSession, request: web.Request) -> bool:
        """Return whether *session* may act now. Raises DrupalInvalid, DrupalTimeout or Unavailable if nobody knows."""
        match session.kind:
            case Kind.PROVEN:
                return True
            case Kind.EXEMPT:
                return self._policy.still_exempts(session.exemption, self._visitor(request))
            case Kind.ANONYMOUS:
                return await self._is_anonymous(session.id, request)

    async def _is_anonymous(self, id: str, request: web.Request) -> bool:
        now = asyncio.get_running_loop().time()
        if self._anonymous.knows(id, now=now):
            return True
        if await self._drupal.whose(self._credential(id), visitor=self._visitor(request)):
            return False
        self._anonymous.remember(id, now=now)
        return True

    async def _asked_about(self, cookies: Cookies, request: web.Request) -> SealedSession | None:
        """Return the session of a cookie without our seal, if Drupal calls it anonymous and the site wants to ask."""
        name = self._drupal.cookie_name
        value = next((value for sent, value in cookies.sessions if sent == name), None)
        if value is None or self._options.unsealed == "drop" or not self._sealed.is_id(value):
            return None
        if not await self._is_anonymous(value, request):
            if self._unsealed.due():
                log.info("guard.unsealed")
            return None
        return SealedSession(kind=Kind.ANONYMOUS, id=value)

    async def _is_alive(self, request: web.Request, session: SealedSession, place: Place) -> bool:
        """Return whether Drupal says that *session* is still its user's. Asks only before a change of the password.

        Otherwise, the cookie of a dead session and the password would be enough to get a proven session.
        """
        if session.kind is not Kind.PROVEN or place != "account" or request.method in SAFE:
            return False
        return await self._drupal.whose(self._credential(session.id), visitor=self._visitor(request)) == session.uid

    async def _ended(self, request: web.Request, session: SealedSession | None) -> web.StreamResponse:
        """End a session that may no longer act, and let its browser come again without it."""
        assert session is not None  # noqa: S101  # only a session can be one that may not act
        log.info("guard.ended", uid=session.uid, kind=session.kind.name.lower())
        self._anonymous.forget(session.id)
        await self._flow.end(self._drupal.session_of(f"{self._drupal.cookie_name}={session.id}", uid=session.uid))
        return self._answers.again(request, gone=[self._handed.relayed(line) for line in self._drupal.deletions()])

    async def _token_body(self, request: web.Request) -> ReadBody:
        """Read a request for a token. Raises GrantRefused for every grant but those of a session."""
        body = await read_whole(request, most=GRANT_BYTES, idle_seconds=self._idle_seconds)
        asked = grants_asked(body.content, content_type=request.headers.get("Content-Type", ""))
        if not asked or not asked <= GRANTS:
            raise GrantRefused
        return body

    def _cookie_header(self, cookies: Cookies, session: SealedSession | None) -> Headers:
        pairs = [f"{self._drupal.cookie_name}={session.id}"] if session else []
        line = "; ".join([*pairs, *cookies.others])
        return [("Cookie", line)] if line else []

    def _visitor(self, request: web.Request) -> Visitor:
        # Only where somebody is asked: most pages need no visitor.
        return visitor_of(request, self._addresses)

    def _credential(self, id: str) -> Credential:
        return self._drupal.session_of(f"{self._drupal.cookie_name}={id}", uid="")

    def _say_dropped(self, what: str) -> None:
        if self._dropped[what].due():
            log.info("guard.dropped", what=what)

    # The answer

    async def judge(
        self, request: web.Request, admitted: Admitted, answer: UpstreamAnswer
    ) -> Release | web.StreamResponse:
        """Hold every session that the answer opens until it is known whose it is."""
        assert isinstance(admitted, Passed)  # noqa: S101  # made by `admit`
        if admitted.session is not None and request.method not in SAFE:
            # Another request may have noted meanwhile that the session is anonymous.
            self._anonymous.forget(admitted.session.id)
        if not any(name.lower() == "set-cookie" for name, _ in answer.headers):
            return Release(headers=answer.headers)
        headers, births = self._judged(answer.headers, admitted.session)
        if not births:
            return Release(headers=headers)
        try:
            whole = await spooled(answer)
            if whole is None:
                raise DrupalInvalid("birth_too_large")
            return await self._born(request, admitted, whole, headers, births)
        except BaseException:
            # Drupal broke off, or the visitor has left. The sessions are ended in a separate task, since this request
            # may have been cancelled.
            self._running.keep(self._end(births))
            raise

    async def _end(self, births: Sequence[SetSession]) -> None:
        for birth in births:
            await self._births.end(birth)

    def _judged(
        self, headers: Headers, session: SealedSession | None
    ) -> tuple[list[tuple[str, str]], list[SetSession]]:
        """Return the headers that may leave, and the sessions that Drupal opened."""
        leaving: list[tuple[str, str]] = []
        births: list[SetSession] = []
        for name, value in headers:
            cookie = session_set_by(value) if name.lower() == "set-cookie" else None
            if cookie is None:
                leaving.append((name, value))
            elif cookie.is_deletion:
                leaving.append((name, self._handed.relayed(value)))
            elif session is not None and cookie.value == session.id and session.kind is not Kind.ANONYMOUS:
                leaving.append((name, self._handed.sealed_line(value, session)))
            else:
                births.append(cookie)
        # A browser keeps the last cookie of a name; each id is one session.
        return leaving, list({(birth.name, birth.value): birth for birth in births}.values())

    async def _born(
        self,
        request: web.Request,
        admitted: Passed,
        answer: Spooled,
        headers: Sequence[tuple[str, str]],
        births: Sequence[SetSession],
    ) -> Release | web.StreamResponse:
        clear_contextvars()
        bind_contextvars(request_id=new_request_id(), client=GUARD)
        proven = admitted.session if admitted.is_alive else None
        try:
            outcome = await self._births.decide(
                births, visitor=self._visitor(request), proven=proven, device=self._own.device_in(admitted.own)
            )
        except GatewayError as error:
            log.info("guard.refused", reason=error.word)
            return self._answers.refused(request, error)
        if isinstance(outcome, Pending):
            log.info("guard.challenged", method=outcome.auth_type)
            location = next((value for name, value in answer.headers if name.lower() == "location"), "")
            return self._answers.required(request, outcome, location=location)
        lines = [("Set-Cookie", line) for line in outcome.lines]
        settle = partial(self._settle, outcome.granted) if outcome.granted else never
        return Release(headers=[*headers, *lines], answer=answer, settle=settle)

    def _settle(self, granted: Granted, written: bool) -> None:  # noqa: FBT001  # `Release.settle`
        self._running.keep(self._flow.delivered(granted) if written else self._flow.lost(granted))


def has_token(headers: Headers) -> bool:
    """Whether a request is passed on with a token, which never goes together with a session."""
    return any(name.lower() == "authorization" for name, _ in headers)


def never(_written: bool) -> None:  # noqa: FBT001  # `Release.settle`
    """Settle nothing: no login waits for the answer."""
