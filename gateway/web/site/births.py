"""A session that Drupal opened in an answer: whose it is, and what becomes of it.

the answer ends ──► ask Drupal whose it is
│ anonymous         sealed as anonymous, and released with the answer
│ the same user     changed their password in a session that is proven: sealed as proven
│ any other user    `LoginFlow.challenge`: the code page, or 403 for a program; policy may need no code
│ nobody knows      ended at Drupal, and 503
▼
nothing of the answer leaves before that
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from structlog.contextvars import bind_contextvars

from gateway.account import Caller, Client, Visitor
from gateway.errors import DrupalInvalid, DrupalTimeout, DrupalUnavailable, LoginBlocked, Unavailable
from gateway.interfaces import Authenticator
from gateway.login.flow import LoginFlow
from gateway.login.outcome import Granted, Pending
from gateway.telemetry.log_setup import OncePerMinute
from gateway.transaction import GUARD
from gateway.web.site.guard import SetSession
from gateway.web.site.handed_over import HandedOver
from gateway.web.site.sealed_cookies import Kind, SealedSession

log = structlog.get_logger()

CLIENT = Client(id=GUARD, kind="browser")


@dataclass(frozen=True, kw_only=True, slots=True)
class Born:
    """A session that may leave: the *lines* that set it, and the *granted* login, if there was one to settle."""

    lines: tuple[str, ...] = field(repr=False)
    granted: Granted | None = None


class Births:
    """Decides about new sessions."""

    def __init__(
        self,
        *,
        flow: LoginFlow,
        drupal: Authenticator,
        handed: HandedOver,
        challenges: bool,
    ) -> None:
        self._flow = flow
        self._drupal = drupal
        self._handed = handed
        self._challenges = challenges
        self._foreign = OncePerMinute()

    async def decide(
        self, births: Sequence[SetSession], *, visitor: Visitor, proven: SealedSession | None, device: str | None
    ) -> Born | Pending:
        """Decide about the sessions that one answer opened. A browser keeps the last one, so the others are ended.

        *proven* is the session that the request carried, if it is alive and proven. Raises LoginBlocked,
        DrupalUnavailable, or as `LoginFlow.challenge`; then the sessions have been ended.
        """
        *others, birth = births
        for other in others:
            await self.end(other)
        uid = await self._whose(birth, visitor)
        if not uid:
            return await self._released(birth, SealedSession(kind=Kind.ANONYMOUS))
        bind_contextvars(uid=uid)
        if proven is not None and proven.uid == uid:
            log.info("guard.rotated", uid=uid)
            return await self._released(birth, self._handed.proven(uid))
        return await self._challenge(birth, uid, visitor=visitor, device=device)

    async def _challenge(self, birth: SetSession, uid: str, *, visitor: Visitor, device: str | None) -> Born | Pending:
        session = self._drupal.session_of(birth.line, uid=uid)
        if not self._challenges:
            await self._flow.end(session)
            raise LoginBlocked
        caller = Caller(client=CLIENT, visitor=visitor)
        outcome = await self._flow.challenge(session, caller=caller, remember_token=device)
        if isinstance(outcome, Pending):
            return outcome
        try:
            return Born(lines=self._handed.lines_of(outcome), granted=outcome)
        except DrupalInvalid:
            await self._flow.lost(outcome)
            raise

    async def _released(self, birth: SetSession, session: SealedSession) -> Born:
        try:
            return Born(lines=(self._handed.sealed_line(birth.line, session),))
        except DrupalInvalid:
            await self.end(birth)
            raise

    async def end(self, birth: SetSession) -> None:
        """End at Drupal a session that nobody may have."""
        await self._flow.end(self._drupal.session_of(birth.line, uid=""))

    async def _whose(self, birth: SetSession, visitor: Visitor) -> str:
        """Return the uid, empty for an anonymous session. Raises DrupalUnavailable if nobody knows."""
        credential = self._drupal.session_of(birth.line, uid="")
        # Under another name, Drupal would call a user's session anonymous (measured).
        if birth.name != self._drupal.cookie_name:
            if self._foreign.due():
                log.error("guard.foreign_cookie", cookie=birth.name, expected=self._drupal.cookie_name)
            await self._flow.end(credential)
            raise DrupalUnavailable("foreign_cookie")
        for last in (False, True):
            try:
                return await self._drupal.whose(credential, visitor=visitor)
            except (DrupalInvalid, DrupalTimeout, Unavailable) as error:
                if last:
                    log.warning("guard.unknown", reason=error.reason or error.word)
        await self._flow.end(credential)
        raise DrupalUnavailable("whose")
