"""What a store keeps between requests."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.account import Credential, Enrolment
from gateway.interfaces.messages import Claimed, Message, Word
from gateway.limit import Limit, Taken
from gateway.transaction import Transaction


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
