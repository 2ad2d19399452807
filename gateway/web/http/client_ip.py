"""Finds the address of the visitor that a request comes from (promise 10).

Forwarding headers are believed only from trusted proxies. They are read from the right: every trusted proxy appends one
address, and the client may have written the rest. aiohttp-remotes believes an untrusted peer, so it is not used.
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
from gateway.telemetry.log_setup import OncePerMinute

log = structlog.get_logger()

Audited = Literal["full", "prefix", "off"]
Header = Literal["x-forwarded-for", "forwarded"]

# RFC 7239 §4 and §6: for=192.0.2.43, for="[2001:db8::17]:4711", for=unknown. A comma or semicolon in quotes separates
# nothing: proxies quote a Host there, which the client chooses. Both patterns read backwards, so that a quote which the
# client left open can't swallow what a trusted proxy has appended.
ELEMENTS = re.compile(r'(?:"(?:"\\|[^"])*"|[^,])+')
PAIRS = re.compile(r'(?:"(?:"\\|[^"])*"|[^;])+')
PORT = re.compile(r"^(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[0-9.]+))(?::\d{1,5})?$")
# How many parsed addresses are cached: a login needs its address several times, and parsing takes 10 µs (measured).
CACHED = 1024
# The longest spelling of an IPv6 address: its end is written as IPv4.
LONGEST = 45


class ClientGone(GatewayError):
    """The client left before its address was read."""


class Addresses:
    """Finds a visitor's canonical address. *trusted* are the networks of our own proxies, *header* is what they set.

    A proxy passes the other forwarding header on as the client wrote it, so that header is never believed.
    """

    def __init__(
        self, trusted: Sequence[Network], *, header: Header = "x-forwarded-for", audit: Audited = "full"
    ) -> None:
        self._trusted = tuple(trusted)
        self._header: Header = header
        self._other: Header = "forwarded" if header == "x-forwarded-for" else "x-forwarded-for"
        self._audit = audit
        self._untrusted, self._unbelieved = OncePerMinute(), OncePerMinute()
        self.trusts = lru_cache(CACHED)(self._trusts)

    def of(self, request: web.Request) -> str:
        """The visitor's address in its canonical spelling. Raises ClientGone."""
        peer = canonical(request.remote or "")
        if peer is None:
            raise ClientGone
        claimed = request.headers.getall(self._header, [])
        other = self._other in request.headers
        if not claimed and not other:
            return peer
        if not self.trusts(peer):
            self._say_untrusted(peer)
            return peer
        if other:
            self._say_unbelieved(peer)
        return self._nearest_untrusted(peer, HOPS_OF[self._header](claimed))

    def unvouched(self, request: web.Request) -> bool:
        """Whether a peer that is not one of our proxies sent a forwarding header."""
        forwarded = self._header in request.headers or self._other in request.headers
        peer = canonical(request.remote or "") if forwarded else None
        return peer is not None and not self.trusts(peer)

    def _nearest_untrusted(self, peer: str, hops: Iterable[str]) -> str:
        nearest = peer
        for hop in hops:
            address = canonical(without_port(hop))
            if address is None:
                # A trusted proxy wrote this, but it is no address: what stands further left can't be trusted.
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


def audited(address: str, audit: Audited) -> str | None:
    """The address as events may have it: whole, its /24 or /48, or none."""
    match audit:
        case "full":
            return address
        case "prefix":
            return str(ip_network(f"{address}/{48 if ':' in address else 24}", strict=False))
        case "off":
            return None


def canonical(text: str) -> str | None:
    """The canonical spelling of an address, or None for any other text.

    IPv4-mapped addresses become IPv4, IPv6 is compressed, a zone is dropped.
    """
    text = text.strip().partition("%")[0]
    return _canonical(text) if len(text) <= LONGEST else None


@lru_cache(CACHED)
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
    """The hops, the nearest first. Several headers are one list (RFC 9110 §5.3)."""
    return [hop for header in reversed(headers) for hop in reversed(header.split(","))]


def from_forwarded(headers: Sequence[str]) -> list[str]:
    """The hops, the nearest first, of `Forwarded` (RFC 7239)."""
    return [_for(element) for element in ELEMENTS.findall(",".join(headers)[::-1])]


def _for(backwards: str) -> str:
    pairs = [pair[::-1].partition("=") for pair in PAIRS.findall(backwards)]
    return next((value.strip().strip('"') for name, _, value in pairs if name.strip().lower() == "for"), "")


HOPS_OF: Mapping[Header, Callable[[Sequence[str]], list[str]]] = {
    "x-forwarded-for": from_xff,
    "forwarded": from_forwarded,
}
