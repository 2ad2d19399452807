"""Drupal's word for it: when a limit refuses, as pure rules over the times at which it was taken.

Stores keep the times; what they mean is said here, once. A store that computes it in its own language is held to
these functions by a test that drives both with the same history.
"""

from collections.abc import Sequence

from gateway.interfaces import Limit

# How many takings beyond `most` a waiting limit remembers; 2^64 times any wait is longer than `wait_most`.
BEYOND = 64


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


# Wrong codes of one account, by uid (promise 2); the hard one is stricter than NIST SP 800-63B-4 §3.2.2, which counts
# consecutive failures.
SOFT_FAILURES, SOFT_FIRST_SECONDS, SOFT_MOST_SECONDS = 10, 30, 15 * 60
HARD_FAILURES, HARD_SECONDS = 100, 30 * 24 * 3600


def guesses(uid: str) -> tuple[Limit, Limit]:
    """The account's two counts of wrong codes: after ten it waits, after a hundred in 30 days somebody unlocks it."""
    return (
        Limit(
            name="lock.soft",
            key=f"lock.soft:{uid}",
            most=SOFT_FAILURES,
            seconds=HARD_SECONDS,
            wait_first=SOFT_FIRST_SECONDS,
            wait_most=SOFT_MOST_SECONDS,
        ),
        Limit(name="lock.hard", key=f"lock.hard:{uid}", most=HARD_FAILURES, seconds=HARD_SECONDS, until_unlocked=True),
    )
