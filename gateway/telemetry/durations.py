"""How long a request took, and how much of that Drupal took: `took_ms` and `drupal_ms` in its outcome event.

    middleware                start() ──────────────── read() into the event
    slot of the bulkhead          waiting_for_drupal()

A context variable carries the stopwatch from the middleware to the bulkhead, since no code between the two needs it.
The tasks that a request starts share its stopwatch.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

MILLISECONDS = 1000


class Stopwatch:
    """Measures one request. Calls to Drupal that run at the same time count once."""

    __slots__ = ("_began", "_drupal_seconds", "_running", "_running_since", "_was_drupal_asked")

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._drupal_seconds = 0.0
        self._running = 0
        self._running_since = 0.0
        self._was_drupal_asked = False

    def call_begins(self) -> None:
        self._was_drupal_asked = True
        if not self._running:
            self._running_since = time.monotonic()
        self._running += 1

    def call_ends(self) -> None:
        self._running -= 1
        if not self._running:
            self._drupal_seconds += time.monotonic() - self._running_since

    def read(self) -> dict[str, int]:
        """Return the fields for the event. A call that still runs counts up to now."""
        now = time.monotonic()
        took = {"took_ms": round((now - self._began) * MILLISECONDS)}
        if not self._was_drupal_asked:
            return took
        seconds = self._drupal_seconds + (now - self._running_since if self._running else 0)
        return {**took, "drupal_ms": round(seconds * MILLISECONDS)}


_current: ContextVar[Stopwatch | None] = ContextVar("stopwatch", default=None)


def start() -> Stopwatch:
    """Start the stopwatch of this request."""
    stopwatch = Stopwatch()
    _current.set(stopwatch)
    return stopwatch


@contextmanager
def waiting_for_drupal() -> Generator[None]:
    """Count the time of the `with` block for the current request. Outside of every request it does nothing."""
    stopwatch = _current.get()
    if stopwatch is None:
        yield
        return
    stopwatch.call_begins()
    try:
        yield
    finally:
        stopwatch.call_ends()
