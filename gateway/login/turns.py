"""Limits how many logins and log-outs of one network are at Drupal at the same time (promise 11).

Drupal hashes the passwords of existing names only. Therefore, when many wrong passwords come at once, Drupal's
processors are busy for longer if the name exists. Other requests that the same network sends at that time would show
this. Measured with two processors: four at once took 0.85 s for an existing name, and 0.43 s for any other. Two at once
take no longer than one.

A request takes a turn before it goes to Drupal. A login keeps its turn until Drupal accepts the password. If Drupal
refuses the password, the login keeps its turn until the refusal is answered, which takes the same time for every name.
The slot in `gateway/drupal/bulkhead.py` is free again as soon as Drupal has answered.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.errors import DrupalBusy, DrupalTimeout
from gateway.networks import network_of

# The number of processors of a small site.
IN_FLIGHT = 2
BUSY_SECONDS = 2


@dataclass(kw_only=True, slots=True, eq=False)
class Line:
    """The requests of one network: those that have a turn, and those that wait for one, first come, first served."""

    turns: asyncio.Semaphore
    requests: int = field(default=0)


class Turns:
    """Gives each network its turns.

    A network has at most *most* requests: those in flight and those that wait, together. A request waits for
    *wait_seconds* at most. *keep_seconds* says how long a request that was given up keeps its turn: Drupal may still
    work on it.
    """

    def __init__(self, *, in_flight: int, most: int, wait_seconds: float, keep_seconds: Callable[[], float]) -> None:
        self._in_flight = in_flight
        self._most = most
        self._wait_seconds = wait_seconds
        self._keep_seconds = keep_seconds
        self._lines: dict[str, Line] = {}

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncGenerator[None]:
        """Hold a turn of the network of *address*. Raises DrupalBusy."""
        network = network_of(address)
        line = await self._wait(network)
        try:
            yield
        except (asyncio.CancelledError, DrupalTimeout):
            asyncio.get_running_loop().call_later(self._keep_seconds(), self._end, network, line)
            raise
        except BaseException:
            self._end(network, line)
            raise
        self._end(network, line)

    async def _wait(self, network: str) -> Line:
        line = self._lines.setdefault(network, Line(turns=asyncio.Semaphore(self._in_flight)))
        if line.requests >= self._most:
            raise DrupalBusy("turns", retry_after=BUSY_SECONDS)
        line.requests += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await line.turns.acquire()
        except TimeoutError:
            self._leave(network, line)
            raise DrupalBusy("turn", retry_after=BUSY_SECONDS) from None
        except BaseException:
            self._leave(network, line)
            raise
        return line

    def _end(self, network: str, line: Line) -> None:
        line.turns.release()
        self._leave(network, line)

    def _leave(self, network: str, line: Line) -> None:
        line.requests -= 1
        if not line.requests:
            del self._lines[network]


def turns_at(max_concurrent: int, *, wait_seconds: float, keep_seconds: Callable[[], float]) -> Turns:
    """Return the turns for a Drupal that takes *max_concurrent* requests at once.

    Of one network, at most IN_FLIGHT requests have a turn, and a quarter of *max_concurrent* may wait for one.
    """
    quarter = max(1, max_concurrent // 4)
    # Never more than the quarter, which is all that gateway/drupal/bulkhead.py gives one network. Otherwise requests
    # with a turn would still wait for each other there.
    in_flight = min(IN_FLIGHT, quarter)
    return Turns(in_flight=in_flight, most=in_flight + quarter, wait_seconds=wait_seconds, keep_seconds=keep_seconds)
