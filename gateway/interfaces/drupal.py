"""Drupal's side of a login: the password, the account, and the session that is handed over."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from gateway.account import Account, Credential, Visitor

# Takes a credential that came after its login was given up.
Late: TypeAlias = Callable[[Credential], Coroutine[object, None, None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class HandOver:
    """What a frontend receives once the second factor was right: a cookie session, or a token.

    *cookies* are whole Set-Cookie lines. *session* and *token* are the objects of these names in the answer's body. One
    of the two is empty.
    """

    cookies: tuple[str, ...] = field(default=(), repr=False)
    session: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: Mapping[str, str | int] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnusableCookie:
    """A cookie that a browser must reject: a short *reason*, and what the operator should *change*."""

    reason: str
    change: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedOut:
    """The result of a log-out: the Set-Cookie lines that delete the cookie, and whether there was a session to end."""

    cookies: tuple[str, ...] = field(repr=False)
    ended: bool


class Authenticator(Protocol):
    """Drupal's side of a login. Raises BadCredentials, Flood, Unavailable, DrupalInvalid or DrupalTimeout.

    A credential is what Drupal gives for a right password. Only the authenticator and the store's codec look into it.
    The rest of the gateway reads its uid, and otherwise passes it on: it is parked, then handed over or logged out.
    """

    async def authenticate(self, *, name: str, password: str, visitor: Visitor, late: Late) -> Credential:
        """Have Drupal check *name* and *password*, once, and return the credential that it gives.

        When the login takes too long, or the caller is cancelled, Drupal's answer is still read. A credential that it
        brings is passed to *late*.
        """
        ...

    async def describe(self, credential: Credential, *, visitor: Visitor) -> Account:
        """Read what Drupal shows the user of their own account, with their own *credential*."""
        ...

    def hand_over(self, credential: Credential) -> HandOver:
        """Return what the frontend receives for *credential*."""
        ...

    def unusable_cookies(self, handed: HandOver, *, public_url: str | None) -> list[UnusableCookie]:
        """Return those cookies of *handed* that a browser at *public_url* must reject; none without a *public_url*."""
        ...

    def credentials_in(self, *, cookie_header: str, authorization: str, logout_token: str | None) -> list[Credential]:
        """Return the credentials in a request's headers, unchecked, so that they can be logged out.

        Their uid is empty: only Drupal knows whose they are. A header that the request lacks is an empty text. Raises
        Malformed when there is a session cookie and no *logout_token*.
        """
        ...

    @property
    def cookie_name(self) -> str:
        """The name of the site's session cookie, for visitors at its public address."""
        ...

    def deletions(self) -> tuple[str, ...]:
        """Return the Set-Cookie lines that delete the site's session cookie in a browser."""
        ...

    def session_of(self, set_cookie: str, *, uid: str) -> Credential:
        """Return the credential of a session that Drupal opened by itself, from the whole Set-Cookie line."""
        ...

    async def whose(self, credential: Credential, *, visitor: Visitor) -> str:
        """Ask Drupal whose session *credential* is; return the uid, empty for an anonymous one.

        Raises DrupalInvalid for any answer that leaves a doubt, DrupalTimeout or Unavailable. In maintenance mode,
        Drupal ends the session that it is asked about, unless its user may log in then (measured, Drupal 10.6, 11.4).
        """
        ...

    async def log_out(self, credential: Credential, *, visitor: Visitor | None = None) -> LoggedOut:
        """End *credential* at Drupal.

        *visitor* is the visitor who asked for it; None means that the gateway ends it by itself. A credential that is
        no longer valid is no error.
        """
        ...

    async def finish(self, *, most_seconds: float) -> None:
        """Wait for logins that are still being read, then give them up. Afterwards nothing is passed to *late*."""
        ...

    def answers(self) -> bool | None:
        """Return False while Drupal is taken for unreachable, and None until it has answered once."""
        ...
