"""Answers every refusal of a password after the same time, whatever the reason (promise 11).

Real Drupal answers an unknown user 6 to 13 times sooner than a wrong password, and Drupal 11.4 a right password sooner
than a wrong one (measured). So a refusal is held until T has passed: T = max(400 ms, 1.3 × the 99th percentile of
recent successful logins). If Drupal took longer, it is held until the next multiple of T. A random part blurs the edge.
"""

import asyncio
import math
from collections import deque
from random import Random

LEAST_SECONDS = 0.4
HEADROOM = 1.3
REMEMBERED = 200
JITTER = 0.1


class RefusalTiming:
    """Learns how long a login takes. Times are in seconds of the event loop's clock."""

    def __init__(self, rng: Random, *, most_seconds: float) -> None:
        self._rng = rng
        self._most = most_seconds
        self._recent: deque[float] = deque(maxlen=REMEMBERED)

    def remember(self, seconds: float) -> None:
        """Note how long Drupal took for a login that succeeded."""
        self._recent.append(seconds)

    def step(self) -> float:
        """Return T, at most the time-out of a login."""
        if not self._recent:
            return min(LEAST_SECONDS, self._most)
        slow = sorted(self._recent)[math.ceil(0.99 * len(self._recent)) - 1]
        return min(max(LEAST_SECONDS, HEADROOM * slow), self._most)

    async def wait(self, *, since: float) -> None:
        """Wait until the refusal of a login that began at *since* may be answered."""
        step = self.step()
        elapsed = asyncio.get_running_loop().time() - since
        until = max(1, math.ceil(elapsed / step)) * step + self._rng.uniform(0, JITTER * step)
        await asyncio.sleep(min(until, max(self._most, elapsed)) - elapsed)
