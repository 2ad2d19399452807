"""A login that has passed the password and waits for the code.

A transaction never changes; each transition returns the next one. Nothing here
waits, logs or reads the clock, so every rule can be tested with plain values.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.account import Profile
from gateway.errors import NotEnrolled, TooSoon, TransactionClosed

# How long an answer that hands a session over may take to be written; after that its process is taken for dead.
DELIVERING_SECONDS = 60

# How far the clocks of two processes may be apart. By one that was set back further a code would live longer.
SKEW_SECONDS = 30


class State(StrEnum):
    """OPEN waits for the code; HANDING was won by the right one; ENDED is everything else that closes it."""

    OPEN = "open"
    DELIVERING = "delivering"
    ENDED = "ended"


def new_id() -> str:
    """256 random bits, the only name by which a client knows its transaction."""
    return secrets.token_urlsafe(32)


def transaction_key(id: str) -> str:
    """The name under which stores know a transaction: 128 bits of SHA-256, so that a dump brings no id back."""
    return urlsafe_b64encode(hashlib.sha256(id.encode()).digest()[:16]).rstrip(b"=").decode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Transaction:
    """Times are seconds since the epoch. *secret* is what the code is made from."""

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
    # Opened from a network that the account has lately logged in from.
    known_network: bool = False
    state: State = State.OPEN
    closed_at: float = 0.0
    # Counts the changes; a store swaps only what it has read (compare-and-swap).
    version: int = 0

    def demand_bound(self, *, username: str, client: str, auth_type: str | None = None) -> None:
        """Raise TransactionClosed unless this is asked for by who opened it (promise 4).

        Every comparison takes the same time, whichever is wrong. *auth_type* None: the endpoint does not ask for it.
        """
        same = hmac.compare_digest(self.username.encode(), username.encode())
        same &= hmac.compare_digest(self.client.encode(), client.encode())
        same &= auth_type is None or hmac.compare_digest(self.auth_type.encode(), auth_type.encode())
        if not same:
            raise TransactionClosed("not_bound")

    def demand_open(self, *, now: float) -> None:
        """Raise TransactionClosed when it is used, ended or expired, or not even open by a clock that was set back."""
        if self.state is not State.OPEN:
            raise TransactionClosed(self.state)
        if now < self.opened_at - SKEW_SECONDS:
            raise TransactionClosed("clock")
        if now >= self.expires_at:
            raise TransactionClosed("expired")

    def demand_method(self, auth_type: str) -> None:
        """Raise TransactionClosed when it was switched to another method in the meantime."""
        if self.auth_type != auth_type:
            raise TransactionClosed("switched")

    def attempt(self, *, accepted: bool, now: float) -> "Transaction":
        """Count one comparison; the right one wins the transaction, the last wrong one ends it."""
        return self.count(now=now).settle(accepted=accepted, now=now)

    def count(self, *, now: float) -> "Transaction":
        """Count a comparison that begins now; while the last ones run, nothing more may be compared."""
        self.demand_open(now=now)
        if self.attempts_left <= 0:
            raise TransactionClosed("attempts")
        return replace(self, attempts_left=self.attempts_left - 1)

    def settle(self, *, accepted: bool, now: float) -> "Transaction":
        """What a counted comparison came to: the right one wins, a wrong one ends it when none is left."""
        self.demand_open(now=now)
        if accepted:
            return replace(self, state=State.DELIVERING, closed_at=now)
        return self if self.attempts_left > 0 else self.end(now=now)

    def may_be_resent(self, *, now: float) -> bool:
        """Whether another message may be sent now."""
        return self.resends_left > 0 and now >= self.resend_at

    def reissue(self, *, now: float, wait_seconds: float, messages: tuple[str, ...], auth_type: str) -> "Transaction":
        """Send the same code again; it buys neither time nor attempts.

        Without *messages* nothing is sent, so it is only switched. Raises TooSoon before the wait is over or when no
        resend is left, NotEnrolled for a method not offered.
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
        """Ask for a method without sending: it needs no wait and no resend, and buys neither time nor attempts.

        Raises NotEnrolled for a method not offered.
        """
        self.demand_open(now=now)
        if auth_type not in self.methods:
            raise NotEnrolled
        # What was sent stays known: whoever comes back to it may type the code that is there already.
        return replace(self, auth_type=auth_type)

    def end(self, *, now: float) -> "Transaction":
        """Close without hand-over: expired, displaced, cancelled, locked. What won stays won, what ended stays so."""
        if self.state is not State.OPEN:
            return self
        return replace(self, state=State.ENDED, closed_at=now)

    def spent(self) -> "Transaction":
        """What is kept of a closed one until its key expires: no secret, nobody's data."""
        return replace(self, secret=b"", mail=None, phone=None, profile={}, username="", messages=())
