"""The state of one account in the store: locks, counts, factors, devices, open logins. Never their secrets."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.account import Enrolment
from gateway.factors.totp import STEP_SECONDS
from gateway.flood.limits import guesses
from gateway.interfaces import Backend, Counters
from gateway.limit import Limit

# `Counters.check` gives no counts when a limit refuses. A limit of this many never refuses: no account reaches it.
UNREACHED = 1_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class WrongCodes:
    """The wrong codes from *networks* (`known` or `other`), and the lock that they have caused.

    *lock* is `lock.soft`, `lock.hard`, or None. *locked_until* is None for a lock that ends only with `unlock`.
    """

    networks: str
    since_success: int
    in_30_days: int
    lock: str | None
    locked_until: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RememberedDevice:
    client: str
    expires_at: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountState:
    """Everything that the store holds of one account. Times are UTC, ISO 8601."""

    uid: str
    wrong_codes: tuple[WrongCodes, ...]
    app: bool
    app_last_used: str | None
    recovery_codes_left: int
    devices: tuple[RememberedDevice, ...]
    open_logins: int


async def account_state(backend: Backend, uid: str, *, now: float) -> AccountState:
    """Read the state of the account. Raises StoreUnavailable."""
    enrolment = await backend.enrolments.find(uid) or Enrolment(uid=uid)
    return AccountState(
        uid=uid,
        wrong_codes=tuple([await wrong_codes(backend.counters, uid, known=known, now=now) for known in (False, True)]),
        app=enrolment.totp_secret is not None,
        app_last_used=iso(enrolment.last_step * STEP_SECONDS) if enrolment.last_step else None,
        recovery_codes_left=len(enrolment.recovery_hashes),
        devices=tuple(devices(enrolment, now=now)),
        open_logins=await backend.transactions.count_open(uid, now=now),
    )


async def wrong_codes(counters: Counters, uid: str, *, known: bool, now: float) -> WrongCodes:
    soft, hard = guesses(uid, known_network=known)
    refused = await counters.check([hard, soft], now=now)
    waits = refused.refused is not None and not refused.refused.until_unlocked
    return WrongCodes(
        networks="known" if known else "other",
        since_success=await count(counters, soft, now=now),
        in_30_days=await count(counters, hard, now=now),
        lock=refused.refused.name if refused.refused else None,
        locked_until=iso(now + refused.retry_after) if waits else None,
    )


async def count(counters: Counters, limit: Limit, *, now: float) -> int:
    """Return how often *limit* was taken."""
    taken = await counters.check([replace(limit, most=UNREACHED)], now=now)
    return sum(taken.counts)


def devices(enrolment: Enrolment, *, now: float) -> Iterator[RememberedDevice]:
    for device in enrolment.devices:
        if device.expires_at > now:
            yield RememberedDevice(client=device.client, expires_at=iso(device.expires_at))


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
