"""The pause before another try."""

from random import Random

# The longest pause is reached after far fewer doublings; without a limit, 2.0 ** 1024 would overflow.
MOST_DOUBLINGS = 30


class Backoff:
    """Pauses that begin at *first_seconds* and double up to *most_seconds*.

    Each pause is shortened at random, so that the couriers do not all try at the same moment.
    """

    def __init__(self, *, first_seconds: float, most_seconds: float, rng: Random) -> None:
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds
        self._rng = rng

    def seconds(self, failures: int) -> float:
        """The pause after *failures* failures in a row; the first failure is 1."""
        doubled = self._first_seconds * 2.0 ** min(failures - 1, MOST_DOUBLINGS)
        return min(doubled, self._most_seconds) * self._rng.uniform(0.5, 1)
