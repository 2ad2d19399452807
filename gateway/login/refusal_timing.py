"""Answers every refusal of a password after the same time, whatever the reason (promise 11).

Real Drupal answers an unknown user 6 to 13 times sooner than a wrong password. Drupal 11.4 also answers a right
password sooner than a wrong one (both measured). So a refusal is held until T has passed: T = max(400 ms, 1.3 × the
99th percentile of recent successful logins). If Drupal took longer, it is held until the next multiple of T. A random
part blurs the edge.

Two cases need a longer T, the cautious one: max(1 s, 2 × T). Before the first login nobody knows how long Drupal takes.
And if Drupal took longer than T to refuse one password, it will do so for other existing names, too. Then T is the
cautious one for an hour. This rise may tell that one name exists. So T rises in one step, and at most once an hour: if
it followed each refusal, every rise would tell of another name. Slow refusals can't make T longer than the cautious
one.

A log-out that ends no session is answered after the same time. Otherwise it would tell how busy Drupal is.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from random import Random

LEAST_SECONDS = 0.4
HEADROOM = 1.3
REMEMBERED = 200
JITTER = 0.1
# Drupal takes 0.3 s for a wrong password, and 0.5 s under some load (measured, Drupal 11.4).
CAUTIOUS_SECONDS = 1.0
CAUTIOUS_FACTOR = 2
CAUTION_SECONDS = 3600


class RefusalTiming:
    """Learns how long a login takes. Times are in seconds."""

    def __init__(self, rng: Random, *, most_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rng = rng
        self._most = most_seconds
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=REMEMBERED)
        self._cautious_until = -math.inf

    def remember(self, seconds: float) -> None:
        """Note how long Drupal took for a login that succeeded."""
        self._recent.append(seconds)

    def step(self) -> float:
        """Return T, at most the time-out of a login."""
        step = self._learned()
        if not self._recent or self._clock() < self._cautious_until:
            step = max(CAUTIOUS_SECONDS, CAUTIOUS_FACTOR * step)
        return min(step, self._most)

    def _learned(self) -> float:
        if not self._recent:
            return LEAST_SECONDS
        return max(LEAST_SECONDS, HEADROOM * sorted(self._recent)[math.ceil(0.99 * len(self._recent)) - 1])

    async def wait(self, *, since: float) -> None:
        """Wait until the refusal of a login that began at *since* may be answered."""
        elapsed = asyncio.get_running_loop().time() - since
        if elapsed > self._learned():
            self._cautious_until = self._clock() + CAUTION_SECONDS
        step = self.step()
        until = max(1, math.ceil(elapsed / step)) * step + self._rng.uniform(0, JITTER * step)
        await asyncio.sleep(min(until, max(self._most, elapsed)) - elapsed)
