"""A message to a user, and the channel that carries it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

Word = Literal["queued", "sent", "failed"]
Subject = Literal[
    "code",
    "locked",
    "replayed",
    "password_used",
    "authenticator_added",
    "authenticator_removed",
    "recovery_new",
    "recovery_used",
    "recovery_low",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """One message, ready to be carried: *html* and *subject* are for channels that have them.

    *channel*, *code*, *language* and *expires_at* are for a channel whose peer writes the text itself. *code* is empty
    in a notice; *expires_at* is in seconds since the epoch.
    """

    plain: str = field(repr=False)
    html: str = field(default="", repr=False)
    subject: str = ""
    channel: str = ""
    code: str = field(default="", repr=False)
    language: str = ""
    expires_at: float = 0


class Channel(Protocol):
    """Carries a text to one destination."""

    async def deliver(self, to: str, text: Callable[[], Awaitable[Text]], *, id: str) -> None:
        """Deliver what *text* returns to *to*; *id* is the same at every try of one message.

        *text* is called at the last moment before the message is handed to the peer, and may raise TooLate. Raises
        Undeliverable when the peer will never take this message, Delayed when another try may succeed.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """Something that must be sent: a transaction's code, or a notice to an account. Holds no code.

    *subject* names what it is about: `code`, `locked` (too many wrong codes), `replayed` (the token of a remembered
    device), `password_used` (a right password after which no code was sent), or a change of the account's factors.
    *transaction* is the key of the transaction whose code it carries. *uid* and *known_network* say under which limit
    the message was counted. Older releases wrote no uid: it is empty in what they have written.
    """

    id: str
    uid: str
    subject: Subject = "code"
    transaction: str | None = None
    channel: str
    to: str = field(repr=False)
    language: str = "en"
    username: str = field(default="", repr=False)
    browser: str = field(default="", repr=False)
    asked_at: float
    deadline: float
    known_network: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A message that this courier has claimed; *times* counts the claims so far. *message* is None if unreadable."""

    receipt: str
    message: Message | None
    times: int
