"""A limit: how often something may happen, and when a further time is refused.

Pure rules over the times at which a limit was taken. Stores keep these times. A store that applies the rules in its
own language is held to these functions by a test that drives both with the same history.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# A waiting limit remembers this many takings beyond `most`. 2^64 times any wait is longer than `wait_most`.
BEYOND = 64

# The name of the limit that is full while a network is known to an account.
KNOWN_NETWORK = "known_network"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """Allows at most *most* takings of *key* within *seconds*.

    With *wait_first*, a full limit refuses for that many seconds after the last taking. Each further taking doubles
    the wait, up to *wait_most*. With *until_unlocked*, a full limit stays full until it is cleared.
    """

    name: str
    key: str
    most: int
    seconds: float
    wait_first: float = 0
    wait_most: float = 0
    until_unlocked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """The result of a taking: the *counts* after it, or the limit that *refused* it, and how many seconds to wait."""

    refused: Limit | None = None
    retry_after: float = 0
    counts: tuple[int, ...] = ()


def held(limit: Limit, takings: Sequence[float], now: float) -> Sequence[float]:
    """Return those of *takings*, newest first, that still count.

    A full limit with *until_unlocked* forgets none of them.
    """
    if limit.until_unlocked and len(takings) >= limit.most:
        return takings
    count = len(takings)
    while count and takings[count - 1] <= now - limit.seconds:
        count -= 1
    return takings[:count]


def judge(limit: Limit, takings: Sequence[float], now: float) -> float | None:
    """Return the seconds until *limit* allows another taking; None if it does now. *takings* are those held."""
    if len(takings) < limit.most:
        return None
    if limit.until_unlocked or not takings:
        return limit.seconds
    if limit.wait_first:
        wait = min(limit.wait_first * 2.0 ** (len(takings) - limit.most), limit.wait_most)
        left = takings[0] + wait - now
    else:
        left = takings[limit.most - 1] + limit.seconds - now
    return left if left > 0 else None


def taken(limit: Limit, takings: Sequence[float], now: float) -> list[float]:
    """Return *takings* and the one of *now*, as many as must be remembered."""
    return [now, *takings[: limit.most + BEYOND - 1]]
