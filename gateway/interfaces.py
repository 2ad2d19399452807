"""The promises that the parts make to each other; each sentence of them is tested in tests/contracts."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from gateway.account import Account, DrupalSession, Enrolment, Visitor
from gateway.limit import Limit, Taken
from gateway.transaction import Transaction

Word = Literal["queued", "sent", "failed"]
Subject = Literal[
    "code",
    "locked",
    "replayed",
    "authenticator_added",
    "authenticator_removed",
    "recovery_new",
    "recovery_used",
    "recovery_low",
]
Late: TypeAlias = Callable[[DrupalSession], Coroutine[object, None, None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class HandOver:
    """What a frontend receives: *cookies* are whole Set-Cookie lines, *session* what stands in the answer's body."""

    cookies: tuple[str, ...] = field(default=(), repr=False)
    session: Mapping[str, str] = field(default_factory=dict, repr=False)


class Authenticator(Protocol):
    """Drupal's side of a login. Raises BadCredentials, Flood, Unavailable, DrupalInvalid, DrupalTimeout."""

    async def authenticate(self, *, name: str, password: str, visitor: Visitor, late: Late) -> DrupalSession:
        """Have Drupal check *name* and *password*, once, and return the session it opened.

        A login that is given up is read on; a session that still comes of it is passed to *late*.
        """
        ...

    async def describe(self, session: DrupalSession, *, visitor: Visitor) -> Account:
        """Read what the user may see of himself, with his own session."""
        ...

    def hand_over(self, session: DrupalSession) -> HandOver:
        """What the frontend gets for a session whose second factor was right."""
        ...

    async def log_out(self, session: DrupalSession, *, visitor: Visitor | None = None) -> tuple[str, ...]:
        """End *session* at Drupal and return the Set-Cookie lines that delete its cookie.

        *visitor* is whoever asked for it; None: the gateway itself.
        A session that is already gone is no error (Drupal answers 204 or 403 and both mean gone).
        """
        ...

    async def finish(self, *, most_seconds: float) -> None:
        """Wait for what is still read on, then give it up; afterwards nothing is passed to *late* any more."""
        ...

    def answers(self) -> bool:
        """Whether Drupal has answered lately, as far as anybody asked it."""
        ...


class Factor(Protocol):
    """Something that a person proves. Knows nothing of transport or storage."""

    def challenge(self) -> bytes:
        """A fresh secret for one transaction."""
        ...

    def check(self, secret: bytes, typed: str) -> bool:
        """Whether *typed* proves it; takes the same time for every wrong answer."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """One message, ready to be carried: *html* and *subject* are for channels that have them.

    The rest is for a sender that writes its own text: *code* is empty in a notice, *expires_at* is in seconds since the
    epoch.
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

        *text* is asked at the last moment at which the peer can still be spared the message, and may raise TooLate.
        Raises Undeliverable when this message will never be taken, Delayed when another try may do.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """Something that must be sent: a transaction's code, or a notice to an account. Holds no code.

    *subject* names what is told (`locked`: by too many wrong codes; `replayed`: a remembered device's token; the
    others: what became of the account's factors); *transaction* is the key of the transaction whose code it is.
    """

    id: str
    subject: Subject = "code"
    transaction: str | None = None
    channel: str
    to: str = field(repr=False)
    language: str = "en"
    username: str = field(default="", repr=False)
    browser: str = field(default="", repr=False)
    asked_at: float
    deadline: float
    # Opened from a network that the account has lately logged in from: where it was counted.
    known_network: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A message in this courier's hands; *times* counts how often somebody took it up."""

    receipt: str
    message: Message | None
    times: int


class Transactions(Protocol):
    """Keeps logins that wait for their code. Every method raises StoreUnavailable when the store can't be asked."""

    async def create(self, key: str, transaction: Transaction, *, most: int, now: float) -> list[str]:
        """Keep *transaction* until it expires; return the keys of the account's open ones beyond *most*, oldest first.

        Those from known networks and all others are counted apart. The displaced ones are still open: whoever
        created ends them.
        """
        ...

    async def find(self, key: str) -> Transaction:
        """Return the transaction. Raises TransactionClosed for an unknown key."""
        ...

    async def update(
        self, key: str, change: Callable[[Transaction], Transaction], *, seen: Transaction | None = None
    ) -> Transaction:
        """Apply *change* atomically and return what was stored.

        *change* may run more than once and must be pure. What it raises leaves the transaction as it was. A change
        that returns its argument stores nothing. *seen* spares the first read. Raises TransactionClosed for an
        unknown key.
        """
        ...


class Parked(Protocol):
    """Keeps Drupal sessions that nobody holds yet, until they are handed over or ended."""

    async def park(self, key: str, session: DrupalSession, *, due_at: float) -> None:
        """Keep *session*; from *due_at* on the reaper may claim it."""
        ...

    async def take_for_handover(self, key: str, *, until: float) -> DrupalSession:
        """Mark as being handed over, so that it is not due before *until*. Raises TransactionClosed if it is gone."""
        ...

    async def postpone(self, key: str, *, due_at: float) -> None:
        """Make it due at *due_at*, sooner or later than before. An unknown key is no error."""
        ...

    async def claim(self, *, now: float, lease_seconds: float, most: int) -> list[tuple[str, DrupalSession]]:
        """Take what is due; nobody else is given the same before the lease ends."""
        ...

    async def remove(self, key: str) -> None:
        """Forget it: it was handed over or ended."""
        ...


class Outbox(Protocol):
    """Keeps what must be sent until somebody says the last word about it."""

    async def put(self, message: Message) -> None:
        """Accept *message*: from here on it survives any process. Raises DeliveryUnavailable when full."""
        ...

    async def claim(self, *, courier: str, most: int, wait_seconds: float) -> list[Claimed]:
        """Take up to *most* messages that are new, or whose courier has been silent; wait for the first if none."""
        ...

    async def keep(self, receipts: Sequence[str], *, courier: str) -> None:
        """Say that these are still being worked on."""
        ...

    async def finish(self, claimed: Claimed, *, word: Literal["sent", "failed"], until: float) -> None:
        """Forget the message and keep *word* about it until *until*."""
        ...

    async def words(self, ids: Sequence[str]) -> list[Word]:
        """The last word about each message; `queued` where there is none yet."""
        ...


class Counters(Protocol):
    """Counts what must not happen too often; shared by every process, in one round trip."""

    async def take(self, limits: Sequence[Limit], *, now: float) -> Taken:
        """Take one of each, or none if any refuses; atomic."""
        ...

    async def give_back(self, limits: Sequence[Limit], *, now: float) -> None:
        """Undo the taking of *now*."""
        ...

    async def check(self, limits: Sequence[Limit], *, now: float) -> Taken:
        """As take, but nothing is taken."""
        ...

    async def clear(self, limits: Sequence[Limit]) -> None:
        """Forget all takings."""
        ...

    async def holds(self, limits: Sequence[Limit], *, at: float) -> bool:
        """Whether every one of *limits* was taken at *at*, and it was not given back."""
        ...


class Enrolments(Protocol):
    """Keeps authenticators, recovery codes and remembered devices: data, without TTL."""

    async def find(self, uid: str) -> Enrolment | None:
        """The user's enrolment, or None."""
        ...

    async def update(self, uid: str, change: Callable[[Enrolment | None], Enrolment | None]) -> Enrolment | None:
        """Apply *change* atomically, None standing for no enrolment. As Transactions.update otherwise."""
        ...

    async def initialise(self) -> None:
        """Write the marker that says: this store is ours and has not been emptied.

        One that is there stays, sealed with the first key. Raises as `initialised`: to write over a marker that does
        not open would hide that a key is missing.
        """
        ...

    async def initialised(self) -> bool:
        """Whether the marker is there. Raises StoreUnavailable("unsealable") where none of our keys opens it."""
        ...

    def uids(self) -> AsyncIterator[str]:
        """Whoever has an enrolment; one may come twice."""
        ...

    async def reseal(self, uid: str) -> bool:
        """Seal the enrolment with the first key; whether an older one had sealed it. As find otherwise."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """One opened store. *durable* is false where a killed process takes everything with it."""

    transactions: Transactions
    parked: Parked
    outbox: Outbox
    counters: Counters
    enrolments: Enrolments
    ping: Callable[[], Awaitable[None]]
    durable: bool
