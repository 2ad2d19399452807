"""One kind of second factor."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol, TypeAlias

from gateway.account import Enrolment

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
