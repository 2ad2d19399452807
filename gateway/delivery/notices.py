"""Notices: mails that tell the owner of an account what happened to it.

No login waits for a notice, and none fails because of it.
"""

import secrets
from collections.abc import Set as AbstractSet

import structlog

from gateway.account import Account, Grant
from gateway.errors import GatewayError
from gateway.interfaces import Message, Outbox, Subject
from gateway.transaction import Transaction

log = structlog.get_logger()

# A notice that could not be sent for a day is given up.
NOTICE_SECONDS = 86_400


class Notices:
    """Puts notices into the outbox. *channels* are the configured ones."""

    def __init__(self, outbox: Outbox, channels: AbstractSet[str]) -> None:
        self._outbox = outbox
        self._channels = channels

    async def tell(self, notice: Message | None, *, uid: str) -> None:
        """Put *notice* into the outbox. Does nothing for None, which means an account without an address."""
        if notice is None or notice.channel not in self._channels:
            return
        try:
            await self._outbox.put(notice)
        except GatewayError as error:
            log.warning("courier.notice_lost", uid=uid, reason=error.word)


def notice(
    subject: Subject,
    of: Account | Transaction | Grant,
    *,
    username: str,
    now: float,
    browser: str,
) -> Message | None:
    """The mail about *subject* to the owner of the account; None without an address."""
    if of.mail is None:
        return None
    return Message(
        id=secrets.token_urlsafe(12),
        uid=of.uid,
        subject=subject,
        channel="email",
        to=of.mail,
        language=of.language or "en",
        username=username,
        browser=browser,
        asked_at=now,
        deadline=now + NOTICE_SECONDS,
    )
