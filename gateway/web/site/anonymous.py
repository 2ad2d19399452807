"""Which sessions Drupal has lately called anonymous.

A session can become a user's without a new id, so each is remembered only for a short time.
A cache of one process: without it, every page of a visitor with a cart would cost a question.
"""

from collections import OrderedDict
from hashlib import sha256

MOST = 10_000


class Anonymous:
    """Remembers for *seconds*. Keeps digests, so that a dump of the memory shows no id."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def knows(self, id: str, *, now: float) -> bool:
        """Return whether Drupal called the session anonymous not long ago. *now* is of a monotonic clock."""
        return self._until.get(_digest(id), 0.0) > now

    def remember(self, id: str, *, now: float) -> None:
        """Drupal has just said that the session is anonymous."""
        key = _digest(id)
        self._until[key] = now + self._seconds
        self._until.move_to_end(key)
        if len(self._until) > MOST:
            self._until.popitem(last=False)

    def forget(self, id: str) -> None:
        """The session may have changed: ask at its next use."""
        self._until.pop(_digest(id), None)


def _digest(id: str) -> bytes:
    return sha256(id.encode()).digest()[:16]
