"""What the steps of a login come to: plain values between the flow and whoever answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.floodgate import Reserved
from gateway.interfaces import HandOver, Word


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What configuration says of a login. Times in seconds."""

    method: str
    lifetime_seconds: float
    attempts: int
    resends: int
    resend_wait_seconds: float
    per_account: int = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A login that waits for its code, as the frontend is told of it; times in whole seconds."""

    id: str = field(repr=False)
    auth_type: str
    destination: str = field(repr=False)
    expires_in: int
    resend_in: int
    methods: tuple[str, ...]
    resends_left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a waiting login stands; times in whole seconds."""

    delivery: Word
    auth_type: str
    expires_in: int
    resend_in: int
    attempts_left: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Won:
    """A login whose code was right: hand it over, then say `delivered` or `lost`."""

    key: str
    uid: str
    address: str = field(repr=False)
    familiar: bool
    hand_over: HandOver = field(repr=False)
    profile: Mapping[str, object] = field(repr=False)
    reserved: Reserved = field(repr=False)


def seconds(left: float) -> int:
    """Whole seconds, rounded up: a client that waits for them is never told to wait again."""
    return max(0, -int(-left // 1))
