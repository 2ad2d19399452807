"""What the steps of a login return: plain values, from which the endpoints make their answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.account import Credential, Enrolment, Profile
from gateway.flood.gate import Reserved
from gateway.interfaces import HandOver, Word
from gateway.login.methods import awaited, carrier, masked_destinations
from gateway.policy.devices import Remembered
from gateway.policy.rules import Reason
from gateway.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """A login whose password Drupal has accepted, and whose session is parked under *key* until *due_at*.

    The client will know the login by *id*. *known_network* says whether the account has logged in from the visitor's
    network lately.
    """

    id: str = field(repr=False)
    key: str
    username: str = field(repr=False)
    session: Credential = field(repr=False)
    due_at: float
    known_network: bool
    enrolment: Enrolment | None = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """A login that waits for its second factor, as the frontend sees it. Times are in seconds from now."""

    id: str = field(repr=False)
    username: str = field(repr=False)
    auth_type: str
    destination: str = field(repr=False)
    expires_in: float
    resend_in: float
    methods: tuple[str, ...]
    resends_left: int


def as_pending(id: str, pending: Transaction, *, now: float) -> Pending:
    """Return what the frontend sees of *pending*, which it knows by *id*."""
    return Pending(
        id=id,
        username=pending.username,
        auth_type=pending.auth_type,
        destination=masked_destinations(pending),
        expires_in=max(0, pending.expires_at - now),
        resend_in=max(0, pending.resend_at - now),
        methods=pending.methods,
        resends_left=pending.resends_left,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a pending login is. Times are in seconds from now; *carried_by* is the method that brought the code."""

    delivery: Word
    carried_by: str | None
    auth_type: str
    destination: str = field(repr=False)
    methods: tuple[str, ...]
    resends_left: int
    expires_in: float
    resend_in: float
    attempts_left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Granted:
    """A login whose session is ready to be handed over. The caller writes it, then calls `delivered` or `lost`.

    *manage_token* lets the user change their factors for a while. It is empty, and *reserved* is None, if no code was
    asked for: then nothing was proved, so that no count of wrong codes is cleared and no network becomes known.
    *exempt* says why none was asked for.
    """

    key: str
    uid: str
    address: str = field(default="", repr=False)
    known_network: bool = False
    session: Credential = field(repr=False)
    hand_over: HandOver = field(repr=False)
    profile: Profile = field(repr=False)
    manage_token: str = field(default="", repr=False)
    reserved: Reserved | None = field(default=None, repr=False)
    exempt: Reason | None = None
    remembered: Remembered | None = None


def progress(pending: Transaction, words: Sequence[Word], *, now: float) -> Progress:
    """Return how far *pending* is; *words* are the outcomes of the messages that it waits for."""
    return Progress(
        delivery=delivery_of(words),
        carried_by=carrier([id for id, word in zip(awaited(pending), words, strict=True) if word == "sent"]),
        auth_type=pending.auth_type,
        destination=masked_destinations(pending),
        methods=pending.methods,
        resends_left=pending.resends_left,
        expires_in=max(0, pending.expires_at - now),
        resend_in=max(0, pending.resend_at - now),
        attempts_left=pending.attempts_left,
    )


def delivery_of(words: Sequence[Word]) -> Word:
    """Return one outcome for all messages of a login: `sent` if one arrived, or if nothing had to be sent."""
    if not words or "sent" in words:
        return "sent"
    return "queued" if "queued" in words else "failed"
