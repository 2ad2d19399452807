"""What can go wrong at the simulated Drupal, and a gate that holds its logins."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum


class Endpoint(StrEnum):
    """What a call asks for, as far as faults tell calls apart."""

    LOGIN = "login"
    LOGIN_STATUS = "login_status"
    LOGOUT = "logout"
    CONTACTS = "contacts"
    OTHER = "other"
    ALL = "all"


class Kind(StrEnum):
    """How an answer goes wrong."""

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
    ENDLESS = "endless"  # 200 and a body that never stops


LOSES_THE_ANSWER = frozenset({Kind.HANG, Kind.SLOW, Kind.RESET, Kind.STALL, Kind.DROP})


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault, at one endpoint or all; *seconds* late for SLOW, *location* for REDIRECT.

    A fault that only loses the answer carries the call out first: a login then opens
    a session whose cookie nobody may ever get.
    """

    kind: Kind
    at: Endpoint = Endpoint.ALL
    seconds: float = 0.0
    location: str = ""

    @property
    def is_carried_out(self) -> bool:
        """Whether Drupal does what it was asked to before the fault strikes."""
        return self.kind in LOSES_THE_ANSWER

    def strikes(self, endpoint: Endpoint) -> bool:
        """Whether a call to *endpoint* meets this fault."""
        return self.at in (Endpoint.ALL, endpoint)


class Gate:
    """Holds logins until it is released, before or after their session is born."""

    def __init__(self, *, after_birth: bool) -> None:
        self.after_birth = after_birth
        self.waiting = 0
        self._changed = asyncio.Condition()
        self._released = asyncio.Event()

    async def hold(self, *, after_birth: bool) -> None:
        """Wait here, if this is the side on which the gate stands, until it is released."""
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
        """Let every login through, now and from now on."""
        self._released.set()
