"""A login that has passed the password and waits for the second factor.

A transaction never changes; each transition returns the next one. Nothing here waits, logs or reads the clock, so
every rule can be tested with plain values.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.account import Profile
from gateway.errors import NotEnrolled, TooSoon, TransactionClosed

# An answer that hands a session over must be written within this time. After it, its process is taken for dead.
DELIVERING_SECONDS = 60

# The clocks of two processes may differ by this much. A clock that is further behind would let a code live longer.
SKEW_SECONDS = 30

# The client of logins that began on a page of Drupal's. No frontend may have this id.
GUARD = "guard"

# RFC 4226 §4 (R6) recommends 160 bits.
SECRET_BYTES = 20


class State(StrEnum):
    """OPEN waits for the right answer, DELIVERING has had it, and ENDED was closed without it."""

    OPEN = "open"
    DELIVERING = "delivering"
    ENDED = "ended"


def new_id() -> str:
    """Return 256 random bits: the only name by which a client knows its transaction."""
    return secrets.token_urlsafe(32)


def new_secret() -> bytes:
    """Return the random bytes from which a factor makes its challenge, such as a code, for one transaction."""
    return secrets.token_bytes(SECRET_BYTES)


def transaction_key(id: str) -> str:
    """Return the name under which stores keep a transaction: 128 bits of SHA-256, so that a dump shows no id."""
    return urlsafe_b64encode(hashlib.sha256(id.encode()).digest()[:16]).rstrip(b"=").decode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Transaction:
    """One login. Times are seconds since the epoch; the code is made from *secret*.

    *known_network*: it was opened from a network from which the account has logged in lately.
    """

    uid: str
    client: str
    username: str = field(repr=False)
    auth_type: str
    methods: tuple[str, ...]
    secret: bytes = field(repr=False)
    mail: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    language: str = "en"
    profile: Profile = field(default_factory=dict, repr=False)
    opened_at: float
    expires_at: float
    attempts_left: int
    resends_left: int
    resend_at: float
    messages: tuple[str, ...] = ()
    known_network: bool = False
    state: State = State.OPEN
    closed_at: float = 0.0
    # Counts the changes: a store swaps only the version that was read (compare-and-swap).
    version: int = 0

    def demand_bound(self, *, username: str, client: str, auth_type: str | None = None) -> None:
        """Raise TransactionClosed unless it was opened with the same values (promise 4).

        It takes the same time whichever value differs. *auth_type* is None where the endpoint does not ask for it.
        """
        same = hmac.compare_digest(self.username.encode(), username.encode())
        # A login that began on a page of Drupal's belongs to no frontend, so any of them may finish it.
        same &= self.client == GUARD or hmac.compare_digest(self.client.encode(), client.encode())
        same &= auth_type is None or hmac.compare_digest(self.auth_type.encode(), auth_type.encode())
        if not same:
            raise TransactionClosed("not_bound")

    def demand_open(self, *, now: float) -> None:
        """Raise TransactionClosed when it is closed or expired, or when it was opened in the future of this clock."""
        if self.state is not State.OPEN:
            raise TransactionClosed(self.state)
        if now < self.opened_at - SKEW_SECONDS:
            raise TransactionClosed("clock")
        if now >= self.expires_at:
            raise TransactionClosed("expired")

    def demand_method(self, auth_type: str) -> None:
        """Raise TransactionClosed when it was switched to another method meanwhile."""
        if self.auth_type != auth_type:
            raise TransactionClosed("switched")

    def attempt(self, *, accepted: bool, now: float) -> "Transaction":
        """Count one comparison and settle it."""
        return self.count(now=now).settle(accepted=accepted, now=now)

    def count(self, *, now: float) -> "Transaction":
        """Count a comparison that begins now. Raises TransactionClosed when no attempt is left."""
        self.demand_open(now=now)
        if self.attempts_left <= 0:
            raise TransactionClosed("attempts")
        return replace(self, attempts_left=self.attempts_left - 1)

    def settle(self, *, accepted: bool, now: float) -> "Transaction":
        """Apply the result of a counted comparison: the right answer wins, the last wrong one ends the transaction."""
        self.demand_open(now=now)
        if accepted:
            return replace(self, state=State.DELIVERING, closed_at=now)
        return self if self.attempts_left > 0 else self.end(now=now)

    def may_be_resent(self, *, now: float) -> bool:
        """Return whether another message may be sent now."""
        return self.resends_left > 0 and now >= self.resend_at

    def reissue(self, *, now: float, wait_seconds: float, messages: tuple[str, ...], auth_type: str) -> "Transaction":
        """Send the same code again, without more time or attempts.

        Without *messages* nothing is sent, so it only switches. Raises TooSoon before the wait is over or when no
        resend is left, and NotEnrolled for a method that was not offered.
        """
        if not messages:
            return self.switch(auth_type=auth_type, now=now)
        self.demand_open(now=now)
        if auth_type not in self.methods:
            raise NotEnrolled
        if self.resends_left <= 0:
            raise TooSoon("resends", retry_after=self.expires_at - now)
        if now < self.resend_at:
            raise TooSoon("wait", retry_after=self.resend_at - now)
        return replace(
            self,
            auth_type=auth_type,
            messages=messages,
            resends_left=self.resends_left - 1,
            resend_at=min(now + wait_seconds, self.expires_at),
        )

    def switch(self, *, auth_type: str, now: float) -> "Transaction":
        """Ask for another method without sending. It needs no wait and no resend, and adds neither time nor attempts.

        Raises NotEnrolled for a method that was not offered.
        """
        self.demand_open(now=now)
        if auth_type not in self.methods:
            raise NotEnrolled
        # `messages` stays as it is: after switching back, the user can still type the code that was sent.
        return replace(self, auth_type=auth_type)

    def end(self, *, now: float) -> "Transaction":
        """Close without hand-over: expired, displaced, cancelled or out of attempts. A closed one stays as it is."""
        if self.state is not State.OPEN:
            return self
        return replace(self, state=State.ENDED, closed_at=now)

    def spent(self) -> "Transaction":
        """Return what is kept of a closed one until its key expires: no secret and no personal data."""
        return replace(self, secret=b"", mail=None, phone=None, profile={}, username="", messages=())
