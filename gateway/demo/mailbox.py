"""A mailbox: an SMTP server that accepts every mail and keeps the newest in memory, for the page that lists them."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from typing import Literal

from aiosmtpd.smtp import SMTP, Envelope, Session

MOST_MAILS = 50
CODE = re.compile(r"\b\d{6,8}\b")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """One mail that arrived; *at* is the time as the page shows it.

    *id* counts from 1, and *html* is empty for a mail that is only text.
    """

    id: int
    to: str
    subject: str
    text: str
    html: str
    at: str

    @property
    def code(self) -> str | None:
        """The one-time code in the text."""
        match = CODE.search(self.text)
        return match[0] if match else None


class Mailbox:
    """Keeps the newest mails. It is also aiosmtpd's handler, whose hooks have fixed names."""

    def __init__(self) -> None:
        self.mails: deque[Mail] = deque(maxlen=MOST_MAILS)
        self._ids = count(1)

    def find(self, id: int) -> Mail | None:
        return next((mail for mail in self.mails if mail.id == id), None)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        self.mails.appendleft(
            Mail(
                id=next(self._ids),
                to=", ".join(envelope.rcpt_tos),
                subject=str(message["Subject"]),
                text=body_of(message, "plain"),
                html=body_of(message, "html"),
                at=datetime.now(UTC).strftime("%H:%M:%S UTC"),
            )
        )
        return "250 OK"

    @asynccontextmanager
    async def listen(self) -> AsyncGenerator[int]:
        """Accept mails on a free port of the loopback address; yield the port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(self, enable_SMTPUTF8=True, hostname="localhost", ident="mailbox"), "127.0.0.1", 0
        )
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()


def body_of(message: EmailMessage, kind: Literal["plain", "html"]) -> str:
    body = message.get_body(preferencelist=(kind,))
    return str(body.get_content()) if body else ""
