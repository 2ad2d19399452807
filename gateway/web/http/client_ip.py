"""Whose address a request comes from (promise 10).

Forwarding headers are believed only from trusted proxies and read from the right, since whatever stands further left
was written by somebody whom nobody vouches for. aiohttp-remotes believes an untrusted peer, so this is ours.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal

import structlog
from aiohttp import web

from gateway.errors import GatewayError
from gateway.networks import Network, within
from gateway.telemetry.logs import OncePerMinute

log = structlog.get_logger()

Shown = Literal["full", "prefix", "off"]
Header = Literal["x-forwarded-for", "forwarded"]

# RFC 7239 §4 and §6: for=192.0.2.43, for="[2001:db8::17]:4711", for=unknown. What stands in quotes separates nothing: a
# proxy repeats a Host of the client's choice there. Both read backwards, since a quote that is left open further left
# is nobody's whom we trust.
ELEMENTS = re.compile(r'(?:"(?:"\\|[^"])*"|[^,])+')
PAIRS = re.compile(r'(?:"(?:"\\|[^"])*"|[^;])+')
PORT = re.compile(r"^(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[0-9.]+))(?::\d{1,5})?$")
# Addresses remembered: each is asked for several times in a login, and parsing one takes 10 µs (measured).
KNOWN = 1024
# An IPv6 address in its longest spelling, ending as IPv4.
LONGEST = 45


class Gone(GatewayError):
    """The client has left before it was asked who it is."""


class Addresses:
    """Finds the visitor's canonical address; *trusted* are the networks of our own proxies, *header* what they set.

    The other header comes through a proxy as the client wrote it, so it is never believed.
    """

    def __init__(
        self, trusted: Sequence[Network], *, header: Header = "x-forwarded-for", audit: Shown = "full"
    ) -> None:
        self._trusted = tuple(trusted)
        self._header: Header = header
        self._other: Header = "forwarded" if header == "x-forwarded-for" else "x-forwarded-for"
        self._audit = audit
        self._untrusted, self._unbelieved = OncePerMinute(), OncePerMinute()
        self.trusts = lru_cache(KNOWN)(self._trusts)

    def of(self, request: web.Request) -> str:
        """One canonical spelling: IPv4-mapped addresses as IPv4, no zone, IPv6 compressed. Raises Gone."""
        peer = canonical(request.remote or "")
        if peer is None:
            raise Gone
        claimed = request.headers.getall(self._header, [])
        other = self._other in request.headers
        if not claimed and not other:
            return peer
        if not self.trusts(peer):
            self._say_untrusted(peer)
            return peer
        if other:
            self._say_unbelieved(peer)
        return self._nearest_untrusted(peer, HOPS[self._header](claimed))

    def unvouched(self, request: web.Request) -> bool:
        """Whether the peer forwards for others, or says so, and is none of our proxies."""
        told = self._header in request.headers or self._other in request.headers
        peer = canonical(request.remote or "") if told else None
        return peer is not None and not self.trusts(peer)

    def _nearest_untrusted(self, peer: str, hops: Iterable[str]) -> str:
        nearest = peer
        for hop in hops:
            address = canonical(without_port(hop))
            if address is None:
                # Who wrote this is trusted, what it says is not an address: go no further.
                break
            nearest = address
            if not self.trusts(address):
                break
        return nearest

    def _trusts(self, address: str) -> bool:
        """Whether *address* is one of our own proxies."""
        return within(address, self._trusted)

    def _say_untrusted(self, peer: str) -> None:
        if self._untrusted.due():
            address = audited(peer, self._audit)
            log.warning(
                "address.untrusted_forwarding", peer=address, add=f"trusted_proxies: [{address or 'YOUR PROXY'}]"
            )

    def _say_unbelieved(self, peer: str) -> None:
        if self._unbelieved.due():
            log.warning(
                "address.other_forwarding",
                peer=audited(peer, self._audit),
                header=self._other,
                believed=self._header,
            )


def audited(address: str, audit: Shown) -> str | None:
    """The address as events may carry it: whole, its /24 or /48, or not at all."""
    match audit:
        case "full":
            return address
        case "prefix":
            return str(ip_network(f"{address}/{48 if ':' in address else 24}", strict=False))
        case "off":
            return None


def canonical(text: str) -> str | None:
    """The one spelling of an address, or None if it is none."""
    text = text.strip().partition("%")[0]
    return _canonical(text) if len(text) <= LONGEST else None


@lru_cache(KNOWN)
def _canonical(text: str) -> str | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def without_port(hop: str) -> str:
    match = PORT.match(hop.strip())
    return (match["v6"] or match["v4"] or "") if match else hop


def from_xff(headers: Sequence[str]) -> list[str]:
    """The hops from the nearest on; several headers read as one list (RFC 9110 §5.3)."""
    return [hop for header in reversed(headers) for hop in reversed(header.split(","))]


def from_forwarded(headers: Sequence[str]) -> list[str]:
    return [_for(element) for element in ELEMENTS.findall(",".join(headers)[::-1])]


def _for(backwards: str) -> str:
    pairs = [pair[::-1].partition("=") for pair in PAIRS.findall(backwards)]
    return next((value.strip().strip('"') for name, _, value in pairs if name.strip().lower() == "for"), "")


HOPS: Mapping[Header, Callable[[Sequence[str]], list[str]]] = {
    "x-forwarded-for": from_xff,
    "forwarded": from_forwarded,
}
