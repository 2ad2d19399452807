"""Which methods reach an account, and what is sent for each."""

import secrets
from collections.abc import Set as AbstractSet

from gateway.account import Account, masked
from gateway.delivery import METHODS
from gateway.delivery.addresses import one_address
from gateway.errors import Undeliverable
from gateway.interfaces import Message
from gateway.transaction import Transaction


def methods_of(account: Account, *, channels: AbstractSet[str], preferred: str) -> tuple[str, ...]:
    """What can reach this account, the *preferred* one first."""
    usable = [
        method
        for method, needed in METHODS.items()
        if all(channel in channels and reaches(channel, account) for channel in needed)
    ]
    return tuple(sorted(usable, key=lambda method: method != preferred))


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


def destinations(pending: Transaction) -> list[tuple[str, str]]:
    """Channel and destination of everything that the transaction's method sends."""
    return [(channel, destination(channel, pending) or "") for channel in METHODS[pending.auth_type]]


def shown(pending: Transaction) -> str:
    """The destinations as an answer may show them."""
    return " / ".join(masked(to) for _, to in destinations(pending))


def message_ids(method: str) -> tuple[str, ...]:
    """A fresh id for each message that *method* sends."""
    return tuple(secrets.token_urlsafe(12) for _ in METHODS.get(method, ()))


def messages(key: str, pending: Transaction, *, browser: str, now: float) -> list[Message]:
    """What is sent for the transaction under *key*; the code itself stands in none of them."""
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
            deadline=pending.expires_at,
        )
        for id, (channel, to) in zip(pending.messages, destinations(pending), strict=True)
    ]
