"""What the handlers of `/headless` read from their application."""

from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from gateway.account import Client
from gateway.enrolment.flow import EnrolmentFlow
from gateway.interfaces import Authenticator
from gateway.login.flow import LoginFlow
from gateway.login.outcome import Granted
from gateway.web.headless.clients import Clients
from gateway.web.headless.relay import How, relayed


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicUrl:
    """The URL under which visitors see the gateway; None if it is not configured."""

    seen: str | None


class SessionCookies(Protocol):
    """How Drupal's session cookie travels between the gateway and a frontend."""

    def lines(self, granted: Granted, client: Client) -> tuple[str, ...]:
        """Return the Set-Cookie lines that hand *granted* to *client*. Raises DrupalInvalid."""
        ...

    def sent(self, cookie_header: str) -> str:
        """Return the cookies of a request as Drupal knows them."""
        ...

    def relayed(self, line: str) -> str:
        """Return a Set-Cookie line that deletes a session's cookie, with the attributes that it was set with."""
        ...


class PlainCookies:
    """The cookie keeps Drupal's own value: the gateway stands beside Drupal, and not in front of it."""

    def __init__(self, relay: How) -> None:
        self._relay = relay

    def lines(self, granted: Granted, _client: Client) -> tuple[str, ...]:
        return tuple(self.relayed(line) for line in granted.hand_over.cookies)

    def relayed(self, line: str) -> str:
        return relayed(line, self._relay)

    def sent(self, cookie_header: str) -> str:
        return cookie_header


FLOW = web.AppKey("flow", LoginFlow)
DRUPAL = web.AppKey("drupal", Authenticator)
ENROLMENT = web.AppKey("enrolment", EnrolmentFlow)
CLIENTS = web.AppKey("clients", Clients)
SESSION_COOKIES = web.AppKey("session_cookies", SessionCookies)
PUBLIC_URL = web.AppKey("public_url", PublicUrl)
