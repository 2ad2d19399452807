"""A limit: how often something may happen, and when it is refused.

These are pure rules over the times at which a limit was taken. Stores keep these times. A store may apply the rules in
a language of its own. A test gives the same history to that store and to these functions, and compares the results.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# A limit with `wait_first` remembers this many takings beyond `most`. Any wait doubled 64 times exceeds `wait_most`.
BEYOND = 64

# The name of the limit that a right code fills, for one account and one network (`most` is 1). While this limit is
# full, the network is a known network of the account.
KNOWN_NETWORK = "known_network"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """Allows *key* to be taken at most *most* times within *seconds*.

    With *wait_first*, a full limit refuses for that many seconds after it was last taken. Each further taking doubles
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
    """The result of taking limits: the *counts* afterwards, or the limit that *refused* and the seconds to wait."""

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
    """Return the seconds until *limit* may be taken again; None if it may now. *takings* come from `held`."""
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
    """Put *now* in front of *takings*; return as many as must be remembered."""
    return [now, *takings[: limit.most + BEYOND - 1]]
