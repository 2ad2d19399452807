"""Networks: how configuration names them, and whether an address is in one."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def network_named(given: object) -> Network:
    """What *given* names. Raises ValueError, which does not repeat it."""
    try:
        return ip_network(str(given))
    except ValueError:
        raise ValueError("is not a network like 192.0.2.0/24 or 2001:db8:7::/48") from None


def within(address: str, networks: Iterable[Network]) -> bool:
    """Whether the canonical *address* is in one of *networks*."""
    parsed = ip_address(address)
    return any(parsed in network for network in networks)


# A login asks for its own four times.
@lru_cache(1024)
def network_of(address: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 that one subscriber has (promise 10)."""
    parsed = ip_address(address)
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address


def network_or_none(address: str | None) -> str:
    """The network of *address* as `network_of` counts it; empty without an address."""
    return network_of(address) if address else ""
