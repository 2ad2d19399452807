"""Drupal's session cookie as a browser holds it: the same name, and the session's id under our seal.

An id that was got elsewhere does not open here, and what a browser got here is worth nothing at Drupal. So it does not
matter how a cookie is spelled or encoded, or how often it is sent, and no store is asked. Any process with the keys
opens it.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from gateway.sealing import Sealer, Unsealable

# What Drupal puts into a cookie as its session's id, and room for sites that set a longer one (measured: 32 to 56).
_ID: Final = re.compile(r"[A-Za-z0-9,%_.~-]{16,128}")
FRONT: Final = "hg1."
_LONGEST: Final = 512


class Kind(StrEnum):
    """What is known of a session. Only a second factor makes one PROVEN; policy can make one EXEMPT."""

    PROVEN = "p"
    EXEMPT = "e"
    ANONYMOUS = "a"


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedSession:
    """A session of Drupal's under our seal.

    *since*: when the factor was passed, or policy exempted it, in whole seconds since the epoch. *exemption*: why
    policy asked for no code, and which policy said so (`PolicyCheck.exemption`).
    """

    kind: Kind
    id: str = field(default="", repr=False)
    uid: str = ""
    since: int = 0
    exemption: str = ""


class SealedCookies:
    """Seals and opens. The cookie's name and the site's *origin* are bound to the value."""

    def __init__(self, sealer: Sealer, *, origin: str) -> None:
        self._sealer = sealer
        self._origin = origin

    def seal(self, name: str, session: SealedSession) -> str:
        """Return the value of the cookie *name*. Raises ValueError for an id that Drupal can't have made."""
        if not self.is_id(session.id):
            raise ValueError("not a session id")
        plain = f"{session.kind}:{session.uid}:{session.since:x}:{session.exemption}:{session.id}".encode()
        return FRONT + urlsafe_b64encode(self._sealer.seal("session", self._bound(name), plain)).rstrip(b"=").decode()

    def open(self, name: str, value: str) -> SealedSession | None:
        """Return the session in *value*; None if it was not sealed here, for this name and origin."""
        if not value.startswith(FRONT) or len(value) > _LONGEST:
            return None
        try:
            sealed = urlsafe_b64decode(value[len(FRONT) :] + "==")
            plain = self._sealer.open("session", self._bound(name), sealed).decode()
            kind, uid, since, exemption, id = plain.split(":", 4)
            return SealedSession(kind=Kind(kind), id=id, uid=uid, since=int(since, 16), exemption=exemption)
        except (Unsealable, ValueError):
            return None

    def in_line(self, line: str, session: SealedSession) -> str:
        """Return Drupal's Set-Cookie *line* with its session's id sealed as *session* says; its attributes stay.

        The id of *session* is not used: the line has it.
        """
        name, _, rest = line.partition("=")
        id, semicolon, attributes = rest.partition(";")
        sealed = self.seal(name.strip(), replace(session, id=id.strip()))
        return f"{name.strip()}={sealed}{semicolon}{attributes}"

    @staticmethod
    def is_id(value: str) -> bool:
        """Whether Drupal can have made *value* as a session's id."""
        return _ID.fullmatch(value) is not None

    def _bound(self, name: str) -> str:
        return f"{name} {self._origin}"
