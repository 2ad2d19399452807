"""Networks: how configuration names them, and which addresses are in them."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def network_named(text: object) -> Network:
    """Return the network that *text* names. Raises ValueError with a text that does not repeat it."""
    try:
        return ip_network(str(text))
    except ValueError:
        raise ValueError("is not a network like 192.0.2.0/24 or 2001:db8:7::/48") from None


def within(address: str, networks: Iterable[Network]) -> bool:
    """Return whether the canonical *address* is in one of *networks*."""
    parsed = ip_address(address)
    return any(parsed in network for network in networks)


def is_loopback(host: str) -> bool:
    """Return whether *host* is this machine: `localhost`, a name under it (RFC 6761 §6.3), or a loopback address."""
    name = host.lower().strip("[]").removesuffix(".")
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


# A login needs the network of its address four times.
@lru_cache(1024)
def network_of(address: str) -> str:
    """Return what limits count as one: an IPv4 address, or the /64 of an IPv6 address (promise 10)."""
    parsed = ip_address(address)
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address


@lru_cache(1024)
def wider_networks_of(address: str) -> tuple[str, ...]:
    """Return the /56 and the /48 of an IPv6 address: what one subscriber or one site may have (RFC 6177).

    None for IPv4: the neighbours of an IPv4 address are strangers to each other.
    """
    parsed = ip_address(address)
    if not isinstance(parsed, IPv6Address):
        return ()
    return tuple(str(ip_network((parsed, length), strict=False)) for length in (56, 48))


def network_or_none(address: str | None) -> str:
    """Return the `network_of` *address*; empty without an address."""
    return network_of(address) if address else ""
