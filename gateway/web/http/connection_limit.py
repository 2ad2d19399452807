"""Limits the open connections, and chooses which one is closed for a new one (promise 13).

A client can hold many idle connections at no cost, and they must not keep other clients out. So a new connection takes
the place of one that waits for its client: one that has sent no request, no whole head or no whole body yet, or that
has its answer and is kept. A connection that waits for the gateway is never closed.

    limit reached            one is closed: the longest idle one of
    ───────────────────────  ─────────────────────────────────────────────────────────────────────────────────
    of one address           this address
    of the whole listener    the address that has most idle ones. Those of our own proxies are last, and a client
                             that comes without a proxy never takes their place
    none is idle             those whose client does not read its answer; the rest of the answer is lost
    none waits               no other one: the new one is closed
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from gateway.networks import network_or_none
from gateway.telemetry.log_setup import OncePerMinute
from gateway.web.http.client_ip import Addresses

log = structlog.get_logger()

Reason = Literal["address", "all"]


class Closable(Protocol):
    """A connection that may have to be closed for another one."""

    def is_sending(self) -> bool:
        """Whether bytes of an answer wait for its client to read."""
        ...

    def abort(self) -> None:
        """Close the connection at once."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a connection comes from."""

    network: str
    is_proxy: bool


class Waiting:
    """Connections that wait for their clients, in the order in which they began to wait.

    The network that has most of them is found without a search: networks are grouped by their number of waiting
    connections. The groups are OrderedDicts: when keys are always removed in front, a plain dict takes longer and
    longer to find its first key.
    """

    def __init__(self) -> None:
        self._of: dict[str, OrderedDict[Closable, None]] = {}
        self._with: dict[int, OrderedDict[str, None]] = {}
        self._most = 0

    def add(self, connection: Closable, network: str) -> None:
        """Add *connection* as the last one. If it waits already, it keeps its place."""
        waiting = self._of.setdefault(network, OrderedDict())
        if connection not in waiting:
            waiting[connection] = None
            self._move(network, len(waiting) - 1, len(waiting))

    def discard(self, connection: Closable, network: str) -> None:
        waiting = self._of.get(network, OrderedDict())
        if connection not in waiting:
            return
        del waiting[connection]
        if not waiting:
            del self._of[network]
        self._move(network, len(waiting) + 1, len(waiting))

    def longest(self, network: str | None = None) -> Closable | None:
        """The connection that waits longest: of *network*, or of the network that has most of them."""
        if network is None:
            network = next(iter(self._with.get(self._most, ())), "")
        return next(iter(self._of.get(network, ())), None)

    def _move(self, network: str, before: int, after: int) -> None:
        if before:
            del self._with[before][network]
            if not self._with[before]:
                del self._with[before]
        if after:
            self._with.setdefault(after, OrderedDict())[network] = None
        # If no network has `_most` any more, *network* was the last one that had so many. It now has one less, and no
        # other has more.
        if after > self._most or self._most not in self._with:
            self._most = after


class ConnectionLimit:
    """Counts the open connections: all of them, and those from one network unless it is our proxy's."""

    def __init__(self, *, most: int, most_per_address: int, addresses: Addresses) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._addresses = addresses
        self._origins: dict[Closable, Origin] = {}
        self._open: Counter[str] = Counter()
        self._idle, self._idle_of_proxies, self._unread = Waiting(), Waiting(), Waiting()
        self._full, self._replaced, self._pipelined = OncePerMinute(), OncePerMinute(), OncePerMinute()

    def admit(self, connection: Closable, peer: str) -> bool:
        """Count *connection* from *peer*, a canonical address or empty. Returns False if there are too many."""
        origin = Origin(network=network_or_none(peer), is_proxy=bool(peer) and self._addresses.trusts(peer))
        reason = self._reached(origin)
        if reason is not None and not self._close_another(origin, reason):
            self._say_full(reason)
            return False
        self._origins[connection] = origin
        self._open[origin.network] += 1
        self.waits_for_client(connection)
        return True

    def leave(self, connection: Closable) -> None:
        """Forget *connection*; one that was not admitted is not known."""
        self.waits_for_gateway(connection)
        origin = self._origins.pop(connection, None)
        if origin is not None:
            self._open[origin.network] -= 1
            if not self._open[origin.network]:
                del self._open[origin.network]

    def waits_for_client(self, connection: Closable) -> None:
        """Note that *connection* may be closed for another one from now on."""
        origin = self._origins.get(connection)
        if origin is not None:
            waiting = self._idle_of_proxies if origin.is_proxy else self._idle
            waiting.add(connection, origin.network)

    def waits_for_gateway(self, connection: Closable) -> None:
        """Note that *connection* may not be closed for another one."""
        origin = self._origins.get(connection)
        if origin is not None:
            for waiting in (self._idle, self._idle_of_proxies, self._unread):
                waiting.discard(connection, origin.network)

    def say_pipelined(self, most: int) -> None:
        """Log that a connection was closed because more than *most* requests waited on it."""
        if self._pipelined.due():
            log.warning("http.pipelined", most=most)

    def _reached(self, origin: Origin) -> Reason | None:
        if self._open[origin.network] >= self._most_per_address and not origin.is_proxy:
            return "address"
        return "all" if len(self._origins) >= self._most else None

    def _close_another(self, newcomer: Origin, reason: Reason) -> bool:
        """Close a connection that waits for its client. Returns False if there is none."""
        found = next(self._closable(newcomer, reason), None)
        if found is None:
            return False
        self.leave(found)
        found.abort()
        if self._replaced.due():
            log.warning("http.idle_closed", reason=reason, open=len(self._origins))
        return True

    def _closable(self, newcomer: Origin, reason: Reason) -> Iterator[Closable]:
        network = newcomer.network if reason == "address" else None
        while (idle := self._idle.longest(network)) is not None:
            if not idle.is_sending():
                yield idle
                return
            # Moved to `_unread`, so that this connection is checked only once for each of its answers, and not again
            # for every new connection.
            self._idle.discard(idle, self._origins[idle].network)
            self._unread.add(idle, self._origins[idle].network)
        unread = self._unread.longest(network)
        if unread is not None:
            yield unread
        of_proxy = self._idle_of_proxies.longest() if newcomer.is_proxy else None
        if of_proxy is not None:
            yield of_proxy

    def _say_full(self, reason: Reason) -> None:
        if self._full.due():
            log.warning("http.too_many_connections", reason=reason, open=len(self._origins))
