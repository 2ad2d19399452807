"""The cookies that a browser receives for a login: Drupal's session under our seal, and its remembered device."""

from collections.abc import Callable
from dataclasses import replace

from gateway.account import Client
from gateway.errors import DrupalInvalid
from gateway.login.outcome import Granted
from gateway.policy.check import PolicyCheck
from gateway.policy.rules import Reason
from gateway.web.headless.relay import How, relayed
from gateway.web.site.guard import OWN
from gateway.web.site.own_cookies import OwnCookies
from gateway.web.site.sealed_cookies import FRONT, Kind, SealedCookies, SealedSession


class HandedOver:
    """Seals what is known of a session: who proved it and when, or why policy asked for no code.

    Without *seals*, it hands out Drupal's own cookies, and still opens sealed ones.
    """

    def __init__(
        self,
        policy: PolicyCheck,
        sealed: SealedCookies,
        own: OwnCookies,
        *,
        clock: Callable[[], float],
        relay: How = "keep",
        seals: bool = True,
    ) -> None:
        self._policy = policy
        self._sealed = sealed
        self._own = own
        self._clock = clock
        self._relay = relay
        self._seals = seals

    def lines_of(self, granted: Granted) -> tuple[str, ...]:
        """Return the Set-Cookie lines of *granted*, with its device. Raises as `session_lines`."""
        return self.session_lines(granted) + self.device_lines(granted)

    def device_lines(self, granted: Granted) -> tuple[str, ...]:
        """Return the Set-Cookie line of the device that *granted* remembers; empty if it remembers none."""
        return (self._own.device_line(granted.remembered.token),) if granted.remembered else ()

    def session_lines(self, granted: Granted) -> tuple[str, ...]:
        """Return the Set-Cookie lines of its session. Raises DrupalInvalid for an id that Drupal can't have made."""
        session = self.proven(granted.uid)
        # A login from a remembered device counts as proven: the device was remembered after a right code.
        if granted.exempt and granted.exempt != Reason.REMEMBERED:
            session = replace(session, kind=Kind.EXEMPT, exemption=self._policy.exemption(granted.exempt))
        return tuple(self.sealed_line(line, session) for line in granted.hand_over.cookies)

    def lines(self, granted: Granted, client: Client) -> tuple[str, ...]:
        """`app_keys.SessionCookies`: for a frontend of /headless."""
        if client.plain_cookies or not self._seals:
            return tuple(self.relayed(line) for line in granted.hand_over.cookies)
        return self.session_lines(granted)

    def relayed(self, line: str) -> str:
        """`app_keys.SessionCookies`: a Set-Cookie line with the configured attributes."""
        return relayed(line, self._relay)

    def sent(self, cookie_header: str) -> str:
        """`app_keys.SessionCookies`: what does not open stays as it is."""
        return self.opened(cookie_header)

    def opened(self, cookie_header: str) -> str:
        """Return a Cookie header as Drupal may see it: sessions that open are opened, and our own cookies left out."""
        if FRONT not in cookie_header and "headgate-" not in cookie_header:
            return cookie_header
        pairs = cookie_header.split(";")
        return ";".join(self._opened_pair(pair) for pair in pairs if not OWN.fullmatch(pair.partition("=")[0].strip()))

    def _opened_pair(self, pair: str) -> str:
        name, _, value = pair.partition("=")
        session = self._sealed.open(name.strip(), value.strip())
        return f"{name}={session.id}" if session else pair

    def sealed_line(self, line: str, session: SealedSession) -> str:
        """Return Drupal's Set-Cookie *line* under our seal. Raises as `session_lines`."""
        try:
            return self.relayed(self._sealed.in_line(line, session))
        except ValueError:
            raise DrupalInvalid("session_id") from None

    def proven(self, uid: str) -> SealedSession:
        """What is sealed of a session whose user has passed the second factor now."""
        return SealedSession(kind=Kind.PROVEN, uid=uid, since=int(self._clock()))
