"""Which methods an account has, and what is sent for each."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import structlog

from gateway.account import Account, Enrolment, masked
from gateway.auth_types import AUTHENTICATOR, METHODS, RECOVERY_CODE, sends
from gateway.delivery.addresses import one_address
from gateway.delivery.numbers import NumberOptions, e164
from gateway.errors import Undeliverable
from gateway.interfaces import Message
from gateway.transaction import Transaction

log = structlog.get_logger()

# How long a method is tried that has a fallback: people wait for a code for a minute, hardly for its whole life.
TRIED_SECONDS = 30


def methods_of(
    account: Account,
    enrolment: Enrolment | None,
    *,
    channels: AbstractSet[str],
    preferred: str,
    prefer_authenticator: bool,
) -> tuple[str, ...]:
    """What this account can be asked for, in order of preference."""
    sent = sent_methods(account, channels=channels, preferred=preferred)
    apps = (AUTHENTICATOR,) if enrolment and enrolment.totp_secret else ()
    # Last: who is asked for one without having chosen it would think that he needs a new phone.
    codes = (RECOVERY_CODE,) if enrolment and enrolment.recovery_hashes else ()
    return (*apps, *sent, *codes) if prefer_authenticator else (*sent, *apps, *codes)


def sent_methods(account: Account, *, channels: AbstractSet[str], preferred: str) -> tuple[str, ...]:
    """What can reach this account, the *preferred* one first."""
    usable = [
        method
        for method, needed in METHODS.items()
        if all(channel in channels and reaches(channel, account) for channel in needed)
    ]
    return tuple(sorted(usable, key=lambda method: method != preferred))


def dialable(account: Account, *, channels: AbstractSet[str], numbers: NumberOptions) -> Account:
    """The account with its number in E.164, or without it if that can't be used. Read only where a channel needs it."""
    if account.phone is None or channels <= {"email"}:
        return account
    try:
        return replace(account, phone=e164(account.phone, numbers))
    except Undeliverable:
        log.info("authenticate.unusable_number", uid=account.uid)
        return replace(account, phone=None)


def reaches(channel: str, account: Account) -> bool:
    """Whether the account has a destination for *channel*, and a mail address is exactly one."""
    to = destination(channel, account)
    if not to or channel != "email":
        return bool(to)
    try:
        one_address(to)
    except Undeliverable:
        # Told now: a code that no mail server may be given would be waited for in vain.
        return False
    return True


def destination(channel: str, of: Account | Transaction) -> str | None:
    """Where *channel* reaches this person."""
    return of.mail if channel == "email" else of.phone


def awaited(pending: Transaction) -> tuple[str, ...]:
    """The messages whose code is asked for: none while something is asked for that was enrolled."""
    return pending.messages if sends(pending.auth_type) else ()


def was_sent(pending: Transaction, method: str) -> bool:
    """Whether the code went by *method* before something was asked for that was enrolled."""
    return not awaited(pending) and carrier(pending.messages) == method


def destinations(pending: Transaction) -> list[tuple[str, str]]:
    """Channel and destination of each of the transaction's messages."""
    channels = [channel_of(id) for id in awaited(pending)]
    return [(channel, destination(channel, pending) or "") for channel in channels]


def masked_destinations(pending: Transaction) -> str:
    """The destinations as an answer may show them."""
    return " / ".join(masked(to) for _, to in destinations(pending))


def message_ids(method: str) -> tuple[str, ...]:
    """A fresh id for each message that *method* sends; it begins with the channel, so that /status knows it."""
    return tuple(f"{channel}-{secrets.token_urlsafe(12)}" for channel in METHODS.get(method, ()))


def channel_of(id: str) -> str:
    """The channel of the message *id*."""
    return id.partition("-")[0]


def carrier(ids: Sequence[str]) -> str | None:
    """The method that consists of the messages *ids*; None for none."""
    channels = tuple(channel_of(id) for id in ids)
    return next((method for method, needed in METHODS.items() if needed == channels), None)


def messages(key: str, pending: Transaction, *, browser: str, now: float, fallback: Mapping[str, str]) -> list[Message]:
    """What is sent for the transaction under *key*; the code itself stands in none of them."""
    has_another = next_method(pending, fallback) is not None
    return [
        Message(
            id=id,
            transaction=key,
            channel=channel,
            to=to,
            language=pending.language,
            username=pending.username,
            browser=browser,
            asked_at=now,
            deadline=min(pending.expires_at, now + TRIED_SECONDS) if has_another else pending.expires_at,
            known_network=pending.known_network,
        )
        for id, (channel, to) in zip(awaited(pending), destinations(pending), strict=True)
    ]


def next_method(pending: Transaction, fallback: Mapping[str, str]) -> str | None:
    """The method that carries the code when its messages have failed: the first that the account has."""
    return next((method for method in _after(carrier(awaited(pending)), fallback) if method in pending.methods), None)


def _after(method: str | None, fallback: Mapping[str, str]) -> Iterator[str]:
    while (method := fallback.get(method or "")) is not None:
        yield method


def fallback_problems(fallback: Mapping[str, str], *, channels: AbstractSet[str]) -> list[tuple[str, str]]:
    """What is wrong with *fallback*, by its keys. It must lead to channels that are there and have not failed yet."""
    problems: list[tuple[str, str]] = []
    for method, other in fallback.items():
        if method not in METHODS or other not in METHODS:
            problems.append((f"fallback.{method}", f"both must be of {', '.join(METHODS)}"))
        elif not {*METHODS[method], *METHODS[other]} <= channels:
            problems.append((f"fallback.{method}", "a channel of it is not configured"))
        elif _leads_back(method, fallback):
            problems.append((f"fallback.{method}", "leads back to a channel that has failed by then"))
    return problems


def _leads_back(method: str, fallback: Mapping[str, str]) -> bool:
    failed = set(METHODS[method])
    for other in _after(method, fallback):
        needed = set(METHODS.get(other, ()))
        if failed & needed:
            return True
        failed |= needed
    return False
