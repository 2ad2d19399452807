"""A limit: how often something may happen, and when a further time is refused.

Pure rules over the times at which a limit was taken. Stores keep these times. A store that applies the rules in its
own language is held to these functions by a test that drives both with the same history.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# How many takings beyond `most` a waiting limit remembers; 2^64 times any wait is longer than `wait_most`.
BEYOND = 64


# The name of the limit that is full while an account knows a network.
KNOWN_NETWORK = "known_network"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """At most *most* takings of *key* within *seconds*.

    With *wait_first* it refuses instead for that many seconds after the last taking, doubling with each further one
    up to *wait_most*. With *until_unlocked* a full one stays full until it is cleared.
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
    """What a taking came to: *refused* is the limit that said no, with the seconds to wait; *counts* after it."""

    refused: Limit | None = None
    retry_after: float = 0
    counts: tuple[int, ...] = ()


def held(limit: Limit, takings: Sequence[float], now: float) -> Sequence[float]:
    """Those of *takings*, newest first, that still count: the old ones fall off the end.

    A full limit that stays so until it is unlocked forgets nothing.
    """
    if limit.until_unlocked and len(takings) >= limit.most:
        return takings
    count = len(takings)
    while count and takings[count - 1] <= now - limit.seconds:
        count -= 1
    return takings[:count]


def judge(limit: Limit, takings: Sequence[float], now: float) -> float | None:
    """Seconds to wait until *limit* allows another taking; None when it does now. *takings* are those held."""
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
    """*takings* with the one of *now*, as far as they have to be remembered."""
    return [now, *takings[: limit.most + BEYOND - 1]]
