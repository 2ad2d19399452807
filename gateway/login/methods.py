"""Which methods can reach an account, and which messages each of them sends."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import structlog

from gateway.account import Account, Enrolment, masked
from gateway.auth_types import METHODS, AuthType, sends
from gateway.delivery.addresses import one_address
from gateway.delivery.numbers import NumberOptions, e164
from gateway.errors import Undeliverable
from gateway.interfaces import Message
from gateway.transaction import Transaction

log = structlog.get_logger()

# A method with a fallback is tried for this long. Users wait a minute for a code, not for its whole lifetime.
TRIED_SECONDS = 30


def methods_of(
    account: Account,
    enrolment: Enrolment | None,
    *,
    channels: AbstractSet[str],
    preferred: str,
    prefer_authenticator: bool,
) -> tuple[str, ...]:
    """Return what this account can be asked for, in order of preference."""
    sent = sent_methods(account, channels=channels, preferred=preferred)
    apps = (AuthType.AUTHENTICATOR,) if enrolment and enrolment.totp_secret else ()
    # Recovery codes come last: they are only for a user who asks for one.
    codes = (AuthType.RECOVERY_CODE,) if enrolment and enrolment.recovery_hashes else ()
    return (*apps, *sent, *codes) if prefer_authenticator else (*sent, *apps, *codes)


def sent_methods(account: Account, *, channels: AbstractSet[str], preferred: str) -> tuple[str, ...]:
    """Return the methods that can send this account a code, the *preferred* one first."""
    usable = [
        method
        for method, needed in METHODS.items()
        if all(channel in channels and reaches(channel, account) for channel in needed)
    ]
    return tuple(sorted(usable, key=lambda method: method != preferred))


def dialable(account: Account, *, channels: AbstractSet[str], numbers: NumberOptions) -> Account:
    """Return the account with its number in E.164, or without a number that can't be used.

    Without a channel that needs a number, the account stays as it is.
    """
    if account.phone is None or channels <= {"email"}:
        return account
    try:
        return replace(account, phone=e164(account.phone, numbers))
    except Undeliverable:
        log.info("authenticate.unusable_number", uid=account.uid)
        return replace(account, phone=None)


def reaches(channel: str, account: Account) -> bool:
    """Return whether the account has a destination for *channel*. A mail address must be exactly one."""
    to = destination(channel, account)
    if not to or channel != "email":
        return bool(to)
    try:
        one_address(to)
    except Undeliverable:
        # The address is refused now. Otherwise the user would wait for a code that can't be sent.
        return False
    return True


def destination(channel: str, of: Account | Transaction) -> str | None:
    """Return the address or number that *channel* sends to."""
    return of.mail if channel == "email" else of.phone


def awaited(pending: Transaction) -> tuple[str, ...]:
    """Return the ids of the messages that the login waits for; none while it asks for an enrolled factor."""
    return pending.messages if sends(pending.auth_type) else ()


def was_sent(pending: Transaction, method: str) -> bool:
    """Return whether the code went by *method* before the login asked for an enrolled factor."""
    return not awaited(pending) and carrier(pending.messages) == method


def destinations(pending: Transaction) -> list[tuple[str, str]]:
    """Return channel and destination of each message that the login waits for."""
    channels = [channel_of(id) for id in awaited(pending)]
    return [(channel, destination(channel, pending) or "") for channel in channels]


def masked_destinations(pending: Transaction) -> str:
    """Return the destinations as an answer may show them."""
    return " / ".join(masked(to) for _, to in destinations(pending))


def message_ids(method: str) -> tuple[str, ...]:
    """Return a fresh id for each message that *method* sends. Each id begins with its channel, for /status."""
    return tuple(f"{channel}-{secrets.token_urlsafe(12)}" for channel in METHODS.get(method, ()))


def channel_of(id: str) -> str:
    """Return the channel of the message *id*."""
    return id.partition("-")[0]


def carrier(ids: Sequence[str]) -> str | None:
    """Return the method that sends exactly the messages *ids*; None for none."""
    channels = tuple(channel_of(id) for id in ids)
    return next((method for method, needed in METHODS.items() if needed == channels), None)


def messages(key: str, pending: Transaction, *, browser: str, now: float, fallback: Mapping[str, str]) -> list[Message]:
    """Return the messages of the transaction *key*. None of them holds the code."""
    has_another = next_method(pending, fallback) is not None
    return [
        Message(
            id=id,
            uid=pending.uid,
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
    """Return the fallback of the method whose messages the login waits for.

    Methods that the account does not have are skipped. None if no fallback is left.
    """
    fallbacks = fallbacks_of(carrier(awaited(pending)), fallback)
    return next((method for method in fallbacks if method in pending.methods), None)


def fallbacks_of(method: str | None, fallback: Mapping[str, str]) -> Iterator[str]:
    """Yield the methods that follow *method*, in their order."""
    while (method := fallback.get(method or "")) is not None:
        yield method


def fallback_problems(fallback: Mapping[str, str], *, channels: AbstractSet[str]) -> list[tuple[str, str]]:
    """Return what is wrong with *fallback*, by its keys. Each fallback must use channels that have not failed."""
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
    for other in fallbacks_of(method, fallback):
        needed = set(METHODS.get(other, ()))
        if failed & needed:
            return True
        failed |= needed
    return False
