"""Every session that the simulated Drupal has opened, and how each one ended.

Sessions are never removed, so a test can look up what became of every cookie that was sent.
"""

import secrets
import string
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote, unquote

# PHP's alphabet at six bits per character.
SESSION_ID_ALPHABET = string.ascii_letters + string.digits + ",-"
SESSION_ID_LENGTH = 48
# For a cookie with one of these, PHP makes a new id at once.
DANGEROUS = frozenset("\r\n\t <>'\"\\")


class Ending(StrEnum):
    """How a session ended."""

    LOGGED_OUT = "logged_out"
    MAINTENANCE = "maintenance"
    ROTATED = "rotated"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    BLOCKED = "blocked"


@dataclass(kw_only=True)
class Session:
    """One row of the session table; *uid* 0 is anonymous. Times are in seconds of the site's clock."""

    cookie: str
    value: str
    uid: int
    born: float
    hostname: str
    ended: float | None = None
    how: Ending | None = None
    csrf_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    logout_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    rest_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    # The first redirect after a login carries ?check_logged_in=1, the later ones do not.
    check_logged_in: bool = True
    # What Drupal and its modules keep in the session. A login takes it along.
    data: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_alive(self) -> bool:
        """Whether the session has not ended."""
        return self.ended is None


class Ledger:
    """All sessions, in the order in which they were opened."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self._by_id: dict[str, Session] = {}

    def open(self, session: Session) -> Session:
        """Record that *session* was opened."""
        self.sessions.append(session)
        self._by_id[unquote(session.value)] = session
        return session

    def end(self, session: Session, how: Ending, *, now: float) -> None:
        """Record the end of *session*. A session that has ended stays as it is."""
        if session.ended is None:
            session.ended, session.how = now, how

    def end_all(self, uid: int, how: Ending, *, now: float, but: Session | None = None) -> None:
        """End every session of the account, except *but*."""
        for session in self.alive(uid):
            if session is not but:
                self.end(session, how, now=now)

    def find(self, session_id: str) -> Session | None:
        """Return the session with this percent-decoded id, unless it has ended."""
        session = self._by_id.get(session_id)
        return session if session is not None and session.is_alive else None

    def by_value(self, value: str) -> Session | None:
        """Return the session, ended or not, whose cookie has *value*, percent-encoded or not."""
        return self._by_id.get(unquote(value))

    def alive(self, uid: int | None = None) -> list[Session]:
        """Return the logged-in sessions, of one account or of all."""
        return [session for session in self.sessions if session.is_alive and session.uid and uid in (None, session.uid)]

    def ended(self, how: Ending) -> list[Session]:
        """Return the sessions that ended in this way."""
        return [session for session in self.sessions if session.how is how]


def session_id(*, version: str, comma: bool) -> str:
    """Make an id as the measured sites do, in the form in which it is sent.

    Measured: 48 characters of PHP's alphabet on Drupal 10.6 (a comma is sent as
    `%2C`), 32 hexadecimal ones on Drupal 11.4. *comma* forces a comma in.
    """
    if version == "11" and not comma:
        return secrets.token_hex(16)
    drawn = "".join(secrets.choice(SESSION_ID_ALPHABET) for _ in range(SESSION_ID_LENGTH))
    return quote(f"{drawn[:20]},{drawn[21:]}" if comma else drawn)


def is_well_formed(session_id: str) -> bool:
    """Whether PHP 8.2 accepts this id: no blanks, quotes and the like before any NUL (measured, Drupal 10.6)."""
    return not DANGEROUS.intersection(session_id.partition("\0")[0])
