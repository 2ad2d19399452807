"""Drupal's session cookie as a browser holds it: the same name, and the session's id under our seal.

An id that was got elsewhere does not open here, and what a browser got here is worth nothing at Drupal. So it does not
matter how a cookie is spelled, doubled or encoded, and no store is asked. Any process with the keys opens it.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.sealing import Sealer, Unsealable

# What Drupal puts into a cookie as its session's id, and room for sites that set a longer one (measured: 32 to 56).
_ID: Final = re.compile(r"[A-Za-z0-9,%_.~-]{16,128}")
_FRONT: Final = "hg1."
_LONGEST: Final = 512


class Kind(StrEnum):
    """What is known of a session. Only a second factor makes one PROVEN; policy can make one EXEMPT."""

    PROVEN = "p"
    EXEMPT = "e"
    ANONYMOUS = "a"


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedSession:
    """A session of Drupal's under our seal. Times are whole seconds since the epoch.

    *since*: when the factor was passed, or policy exempted it. *asked*: when Drupal last said that it is anonymous; 0
    before its first use. *exemption*: why policy asked for no code, and a digest of the policy that said so.
    """

    kind: Kind
    id: str = field(repr=False)
    uid: str = ""
    since: int = 0
    asked: int = 0
    exemption: str = ""


class SealedCookies:
    """Seals and opens. The cookie's name and the site's *origin* are bound to the value."""

    def __init__(self, sealer: Sealer, *, origin: str) -> None:
        self._sealer = sealer
        self._origin = origin

    def seal(self, name: str, session: SealedSession) -> str:
        """Return the value of the cookie *name*. Raises ValueError for an id that Drupal can't have made."""
        if not _ID.fullmatch(session.id):
            raise ValueError("not a session id")
        numbers = f"{session.since:x}:{session.asked:x}"
        plain = f"{session.kind}:{session.uid}:{numbers}:{session.exemption}:{session.id}".encode()
        return _FRONT + urlsafe_b64encode(self._sealer.seal("session", self._bound(name), plain)).rstrip(b"=").decode()

    def open(self, name: str, value: str) -> SealedSession | None:
        """Return the session in *value*; None if it was not sealed here, for this name and origin."""
        if not value.startswith(_FRONT) or len(value) > _LONGEST:
            return None
        try:
            sealed = urlsafe_b64decode(value[len(_FRONT) :] + "==")
            plain = self._sealer.open("session", self._bound(name), sealed).decode()
            kind, uid, since, asked, exemption, id = plain.split(":", 5)
            return SealedSession(
                kind=Kind(kind), id=id, uid=uid, since=int(since, 16), asked=int(asked, 16), exemption=exemption
            )
        except (Unsealable, ValueError):
            return None

    def in_line(self, line: str, session: SealedSession) -> str:
        """Return Drupal's Set-Cookie *line* with the sealed value in place of the id; its attributes stay."""
        name, _, rest = line.partition("=")
        _, semicolon, attributes = rest.partition(";")
        return f"{name}={self.seal(name.strip(), session)}{semicolon}{attributes}"

    def _bound(self, name: str) -> str:
        return f"{name} {self._origin}"
