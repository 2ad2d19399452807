"""The promises that the parts make to each other. Each sentence of them is tested in tests/contracts."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, TypeAlias

from gateway.account import Account, Credential, Enrolment, Visitor
from gateway.limit import Limit, Taken
from gateway.transaction import Transaction

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
# Takes a credential that came after its login was given up.
Late: TypeAlias = Callable[[Credential], Coroutine[object, None, None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class HandOver:
    """What a frontend receives once the second factor was right: a cookie session, or a token.

    *cookies* are whole Set-Cookie lines. *session* and *token* are the objects of these names in the answer's body. One
    of the two is empty.
    """

    cookies: tuple[str, ...] = field(default=(), repr=False)
    session: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: Mapping[str, str | int] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnusableCookie:
    """A cookie that a browser must reject: a short *reason*, and what the operator should *change*."""

    reason: str
    change: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedOut:
    """The result of a log-out: the Set-Cookie lines that delete the cookie, and whether there was a session to end."""

    cookies: tuple[str, ...] = field(repr=False)
    ended: bool


class Authenticator(Protocol):
    """Drupal's side of a login. Raises BadCredentials, Flood, Unavailable, DrupalInvalid or DrupalTimeout.

    A credential is what Drupal gives for a right password. Only the authenticator and the store's codec look into it.
    The rest of the gateway reads its uid, and otherwise passes it on: it is parked, then handed over or logged out.
    """

    async def authenticate(self, *, name: str, password: str, visitor: Visitor, late: Late) -> Credential:
        """Have Drupal check *name* and *password*, once, and return the credential that it gives.

        When the login takes too long, or the caller is cancelled, Drupal's answer is still read. A credential that it
        brings is passed to *late*.
        """
        ...

    async def describe(self, credential: Credential, *, visitor: Visitor) -> Account:
        """Read what Drupal shows the user of their own account, with their own *credential*."""
        ...

    def hand_over(self, credential: Credential) -> HandOver:
        """Return what the frontend receives for *credential*."""
        ...

    def unusable_cookies(self, handed: HandOver, *, public_url: str | None) -> list[UnusableCookie]:
        """Return those cookies of *handed* that a browser at *public_url* must reject; none without a *public_url*."""
        ...

    def credentials_in(self, *, cookie_header: str, authorization: str, logout_token: str | None) -> list[Credential]:
        """Return the credentials in a request's headers, unchecked, so that they can be logged out.

        Their uid is empty: only Drupal knows whose they are. A header that the request lacks is an empty text. Raises
        Malformed when there is a session cookie and no *logout_token*.
        """
        ...

    @property
    def cookie_name(self) -> str:
        """The name of the site's session cookie, for visitors at its public address."""
        ...

    def deletions(self) -> tuple[str, ...]:
        """Return the Set-Cookie lines that delete the site's session cookie in a browser."""
        ...

    def session_of(self, set_cookie: str, *, uid: str) -> Credential:
        """Return the credential of a session that Drupal opened by itself, from the whole Set-Cookie line."""
        ...

    async def whose(self, credential: Credential, *, visitor: Visitor) -> str:
        """Ask Drupal whose session *credential* is; return the uid, empty for an anonymous one.

        Raises DrupalInvalid for any answer that leaves a doubt, DrupalTimeout or Unavailable. In maintenance mode,
        Drupal ends the session that it is asked about, unless its user may log in then (measured, Drupal 10.6, 11.4).
        """
        ...

    async def log_out(self, credential: Credential, *, visitor: Visitor | None = None) -> LoggedOut:
        """End *credential* at Drupal.

        *visitor* is the visitor who asked for it; None means that the gateway ends it by itself. A credential that is
        no longer valid is no error.
        """
        ...

    async def finish(self, *, most_seconds: float) -> None:
        """Wait for logins that are still being read, then give them up. Afterwards nothing is passed to *late*."""
        ...

    def answers(self) -> bool | None:
        """Return False while Drupal is taken for unreachable, and None until it has answered once."""
        ...


# Marks an accepted answer as used in the user's enrolment. It is pure, and raises NotEnrolled when the answer was used
# before, or its factor is no longer enrolled.
Spend: TypeAlias = Callable[[Enrolment], Enrolment]


class Factor(Protocol):
    """One kind of second factor. It knows no transport, no store and no clock.

    *enrolled* says where an accepted answer is used up. True: in the user's enrolment, by *Spend*. False: in the
    transaction, which takes one right answer only; then a check needs nothing but *secret*.

    The user's device may answer instead of the user, as in WebAuthn. Its challenge goes out in the answer of
    /authenticate, and its assertion comes back as *answer*. Its public keys and counters stand in the enrolment.
    """

    enrolled: ClassVar[bool]

    def challenge(self, secret: bytes) -> str:
        """Return what must be sent before the user can answer, such as a code; empty if the user has it all already.

        It is made from the transaction's *secret* alone. So it is the same at every call, and a resend repeats it.
        """
        ...

    def capacity(self) -> AbstractContextManager[None]:
        """Hold what a check needs while it runs. Raises FactorBusy when no capacity is left."""
        ...

    async def check(self, answer: str, *, secret: bytes, enrolment: Enrolment | None, now: float) -> Spend | None:
        """Return the Spend of a right *answer*, or None for a wrong one. *now* is in seconds since the epoch.

        It changes nothing, and takes the same time for every wrong answer. Called while *capacity* is held.
        """
        ...


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


class Transactions(Protocol):
    """Keeps logins that wait for their code. Every method raises StoreUnavailable when the store can't be reached."""

    async def create(self, key: str, transaction: Transaction, *, most: int, now: float) -> list[str]:
        """Keep *transaction* until it expires; return the keys of the account's open ones beyond *most*, oldest first.

        Those from known networks and all others are counted apart. The returned ones are still open: the caller ends
        them.
        """
        ...

    async def find(self, key: str) -> Transaction:
        """Return the transaction. Raises TransactionClosed for an unknown key."""
        ...

    async def update(
        self, key: str, change: Callable[[Transaction], Transaction], *, seen: Transaction | None = None
    ) -> Transaction:
        """Apply *change* atomically and return what was stored.

        *change* may run more than once and must be pure. When it raises, the transaction stays as it was. When it
        returns its argument, nothing is stored. *seen* is what was read before, and saves the first read. Raises
        TransactionClosed for an unknown key.
        """
        ...

    async def count_open(self, uid: str, *, now: float) -> int:
        """Return how many transactions of the account are open."""
        ...


class Parked(Protocol):
    """Keeps credentials until they are handed over or logged out. Raises StoreUnavailable as Transactions does."""

    async def park(self, key: str, credential: Credential, *, due_at: float) -> None:
        """Keep *credential*; from *due_at* on the reaper may claim it."""
        ...

    async def take_for_handover(self, key: str, *, until: float) -> Credential:
        """Return the credential, and make it due at *until*. Raises TransactionClosed if it is gone."""
        ...

    async def postpone(self, key: str, *, due_at: float) -> None:
        """Make the credential due at *due_at*, sooner or later than before. An unknown key is no error."""
        ...

    async def claim(self, *, now: float, lease_seconds: float, most: int) -> list[tuple[str, Credential]]:
        """Take at most *most* credentials that are due, the longest due first.

        No other call gets the same ones before the lease ends.
        """
        ...

    async def remove(self, key: str) -> None:
        """Forget a credential that was handed over or logged out. An unknown key is no error."""
        ...


class Outbox(Protocol):
    """Keeps messages until they are sent or have failed."""

    async def put(self, message: Message) -> None:
        """Accept *message*: from here on it survives the end of any process. Raises DeliveryUnavailable when full."""
        ...

    async def claim(self, *, courier: str, most: int, wait_seconds: float) -> list[Claimed]:
        """Take up to *most* messages that are new, or whose courier went silent; wait up to *wait_seconds* for one."""
        ...

    async def keep(self, receipts: Sequence[str], *, courier: str) -> None:
        """Extend the claim on these messages."""
        ...

    async def finish(self, claimed: Claimed, *, word: Literal["sent", "failed"], until: float) -> None:
        """Forget the message, and keep *word* as its outcome until *until*."""
        ...

    async def words(self, ids: Sequence[str]) -> list[Word]:
        """Return the outcome of each message; `queued` where there is none yet."""
        ...


class Counters(Protocol):
    """Counts what must not happen too often. Every process shares the counts; each call is one round trip."""

    async def take(self, limits: Sequence[Limit], *, now: float) -> Taken:
        """Take one of each limit, or none at all if any refuses. Atomic."""
        ...

    async def give_back(self, limits: Sequence[Limit], *, now: float) -> None:
        """Undo what was taken at *now*."""
        ...

    async def check(self, limits: Sequence[Limit], *, now: float) -> Taken:
        """Answer as `take` would, and take nothing."""
        ...

    async def clear(self, limits: Sequence[Limit]) -> None:
        """Forget everything that was taken."""
        ...

    async def holds(self, limits: Sequence[Limit], *, at: float) -> bool:
        """Return whether each of *limits* was taken at *at* and not given back."""
        ...


class Enrolments(Protocol):
    """Keeps authenticators, recovery codes and remembered devices: data, without TTL."""

    async def find(self, uid: str) -> Enrolment | None:
        """Return the user's enrolment, or None."""
        ...

    async def update(
        self,
        uid: str,
        change: Callable[[Enrolment | None], Enrolment | None],
        *,
        seen: Enrolment | None = None,
    ) -> Enrolment | None:
        """Apply *change* atomically; None stands for no enrolment. The rest is as in Transactions.update."""
        ...

    async def initialise(self) -> None:
        """Write the marker that shows that this store has not been emptied.

        A marker that is there already is kept, and sealed again if an older key had sealed it. Raises as `initialised`
        does: to overwrite a marker that does not open would hide that a key is missing.
        """
        ...

    async def initialised(self) -> bool:
        """Return whether the marker is there. Raises StoreUnavailable("unsealable") if none of our keys opens it."""
        ...

    def uids(self) -> AsyncIterator[str]:
        """Yield the uid of each user with an enrolment; one may come twice."""
        ...

    async def reseal(self, uid: str) -> bool:
        """Seal the enrolment with the first key; return whether an older key had sealed it."""
        ...


class Names(Protocol):
    """Keeps which accounts a name stands for, so that an operator can give a name instead of a uid.

    A name is folded (gateway/collation.py), so several accounts may share it. Raises StoreUnavailable.
    """

    async def keep(self, name: str, uid: str, *, seconds: float | None) -> None:
        """Keep that *name* stands for *uid*, for at least *seconds*; None: without a limit."""
        ...

    async def uids(self, name: str) -> list[str]:
        """Return the accounts that *name* stands for; none for a name that was never kept."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """One opened store. *durable* is false if everything in it ends with the process.

    *names* is None for a store inside the process, which no operator's command can reach.
    """

    transactions: Transactions
    parked: Parked
    outbox: Outbox
    counters: Counters
    enrolments: Enrolments
    names: Names | None
    ping: Callable[[], Awaitable[None]]
    durable: bool
