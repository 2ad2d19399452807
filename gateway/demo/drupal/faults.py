"""The faults that a test can give the simulated Drupal, and a gate that holds its logins."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum


class Endpoint(StrEnum):
    """The endpoints that a fault can be limited to."""

    LOGIN = "login"
    LOGIN_STATUS = "login_status"
    LOGOUT = "logout"
    CONTACTS = "contacts"
    OTHER = "other"
    ALL = "all"


class Kind(StrEnum):
    """What goes wrong."""

    HANG = "hang"  # no answer, ever
    SLOW = "slow"  # the answer, *seconds* late
    RESET = "reset"  # the head, cookies included, and half of the body, then the connection is reset
    STALL = "stall"  # the head, cookies included, and half of the body, then silence
    DROP = "drop"  # the connection is reset without a byte
    SERVER_ERROR = "server_error"  # 500 text/html, as with the database down
    BAD_GATEWAY = "bad_gateway"  # nginx's 502, as with php-fpm down
    GATEWAY_TIMEOUT = "gateway_timeout"  # nginx's 504
    HTML = "html"  # 200 and a page where JSON was asked for
    REDIRECT = "redirect"  # 307 to *location*
    FIREWALL = "firewall"  # 403 and a page, as a web application firewall in front of Drupal answers
    ENDLESS = "endless"  # 200 and a body that never stops


LOSES_THE_ANSWER = frozenset({Kind.HANG, Kind.SLOW, Kind.RESET, Kind.STALL, Kind.DROP})


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault at one endpoint or at all of them. SLOW delays the answer by *seconds*; REDIRECT leads to *location*.

    A fault that only loses the answer lets Drupal process the request first: a login then opens a session whose cookie
    may reach nobody.
    """

    kind: Kind
    at: Endpoint = Endpoint.ALL
    seconds: float = 0.0
    location: str = ""

    @property
    def is_carried_out(self) -> bool:
        """Whether Drupal processes the request before the fault applies."""
        return self.kind in LOSES_THE_ANSWER

    def applies_to(self, endpoint: Endpoint) -> bool:
        """Whether a request to *endpoint* meets this fault."""
        return self.at in (Endpoint.ALL, endpoint)


class Gate:
    """Holds logins until it is released: before their session is opened, or after."""

    def __init__(self, *, after_birth: bool) -> None:
        self.after_birth = after_birth
        self.waiting = 0
        self._changed = asyncio.Condition()
        self._released = asyncio.Event()

    async def hold(self, *, after_birth: bool) -> None:
        """Wait until the gate is released, if it holds logins at this point."""
        if after_birth is not self.after_birth:
            return
        self.waiting += 1
        async with self._changed:
            self._changed.notify_all()
        await self._released.wait()
        self.waiting -= 1

    async def reached(self, count: int = 1) -> None:
        """Return as soon as *count* logins are held here."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.waiting >= count)

    def release(self) -> None:
        """Let every login through, those that are held and all later ones."""
        self._released.set()
