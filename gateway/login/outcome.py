"""What the steps of a login come to: plain values between the flow and whoever answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.account import Account, Client, DrupalSession, Profile
from gateway.auth_types import sends
from gateway.delivery.numbers import NumberOptions
from gateway.flood.gate import Reserved
from gateway.interfaces import HandOver, Word
from gateway.login.methods import awaited, carrier, masked_destinations, message_ids
from gateway.policy.devices import Remembered
from gateway.policy.rules import Decision
from gateway.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What configuration says of a login. Times in seconds; *fallback* says which method comes after which."""

    lifetime_seconds: float
    attempts: int
    resends: int
    resend_wait_seconds: float
    per_account: int = 3
    numbers: NumberOptions = field(default_factory=NumberOptions)
    fallback: Mapping[str, str] = field(default_factory=dict)


def waiting(
    account: Account,
    decision: Decision,
    *,
    username: str,
    client: Client,
    secret: bytes,
    rules: Rules,
    now: float,
    until: float,
    known_network: bool,
) -> Transaction:
    """A login whose password was right and that was decided to need a code."""
    return Transaction(
        uid=account.uid,
        client=client.id,
        username=username,
        auth_type=decision.method,
        methods=decision.methods,
        secret=secret,
        mail=account.mail,
        phone=account.phone,
        language=account.language or "en",
        profile=account.profile,
        opened_at=now,
        expires_at=until,
        attempts_left=rules.attempts,
        resends_left=rules.resends,
        # Who was sent nothing may have a code sent at once.
        resend_at=now + rules.resend_wait_seconds if sends(decision.method) else now,
        messages=message_ids(decision.method),
        known_network=known_network,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """A login that waits for its code, as the frontend is told of it; times in seconds."""

    id: str = field(repr=False)
    auth_type: str
    destination: str = field(repr=False)
    expires_in: float
    resend_in: float
    methods: tuple[str, ...]
    resends_left: int


def as_pending(id: str, pending: Transaction, *, now: float) -> Pending:
    """What is told of *pending*, which the client knows by *id*."""
    return Pending(
        id=id,
        auth_type=pending.auth_type,
        destination=masked_destinations(pending),
        expires_in=max(0, pending.expires_at - now),
        resend_in=max(0, pending.resend_at - now),
        methods=pending.methods,
        resends_left=pending.resends_left,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a waiting login stands; times in seconds. *carried_by* is the method that was sent, if any was."""

    delivery: Word
    carried_by: str | None
    auth_type: str
    expires_in: float
    resend_in: float
    attempts_left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Granted:
    """A login whose code was right, or that needs none: hand it over, then say `delivered` or `lost`.

    *manage_token* lets its owner change his factors for a while; empty where no code was asked for. *reserved* None: no
    code was asked for, so that it clears no count of wrong ones and makes no network familiar.
    """

    key: str
    uid: str
    address: str = field(default="", repr=False)
    known_network: bool = False
    session: DrupalSession = field(repr=False)
    hand_over: HandOver = field(repr=False)
    profile: Profile = field(repr=False)
    manage_token: str = field(default="", repr=False)
    reserved: Reserved | None = field(default=None, repr=False)
    remembered: Remembered | None = None


def progress(pending: Transaction, words: Sequence[Word], *, now: float) -> Progress:
    """Where *pending* stands, about whose messages *words* are the last ones."""
    return Progress(
        delivery=delivery_of(words),
        carried_by=carrier([id for id, word in zip(awaited(pending), words, strict=True) if word == "sent"]),
        auth_type=pending.auth_type,
        expires_in=max(0, pending.expires_at - now),
        resend_in=max(0, pending.resend_at - now),
        attempts_left=pending.attempts_left,
    )


def delivery_of(words: Sequence[Word]) -> Word:
    """One word for all messages of a login; where nothing had to be sent, nothing failed."""
    if not words or "sent" in words:
        return "sent"
    return "queued" if "queued" in words else "failed"
