"""Where a request came from and which host it was sent to, as Symfony reads both.

Pure: headers and the peer's address in, an Origin out. Forwarding headers count
only if the peer is a trusted proxy (`$settings['reverse_proxy_addresses']`).
"""

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from multidict import CIMultiDict, CIMultiDictProxy

Headers = CIMultiDict[str] | CIMultiDictProxy[str]

DEFAULT_PORTS = {"http": 80, "https": 443}
SECURE_WORDS = frozenset({"https", "on", "ssl", "1"})
HOST_LEFTOVER = re.compile(r"(?:^\[)?[a-zA-Z0-9-:\]_]+\.?")
FORWARDED_PARAMETERS = {"X-Forwarded-For": "for", "X-Forwarded-Host": "host", "X-Forwarded-Proto": "proto"}
HALF_A_PORT = re.compile(r"^[^\[]*:[^\]]*$")
HALF_AN_ADDRESS = re.compile(r"\d+(?:\.\d+){0,2}")
# The host that PHP gets for a request without one: nginx's default server_name.
NO_HOST = "_"
UNTRUSTED_HOST = "The provided host name is not valid for this server."
CONFLICT = (
    'The request has both a trusted "FORWARDED" header and a trusted "{}" header, conflicting with each other. '
    "You should either configure your proxy to remove one of them, "
    "or configure your project to distrust the offending one."
)


class RefusedEarlyError(Exception):
    """A request that Drupal refuses before it looks for a route."""

    def __init__(self, status: HTTPStatus, message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class ConflictingHeadersError(RefusedEarlyError):
    """Two trusted headers that name different values: 400 in the format that was asked for."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The scheme, host and port that Drupal believes it has, and the address that it believes the client has."""

    scheme: str
    host: str
    port: int
    address: str
    # The front controller as spelled, if it is spelled in an odd way.
    base_path: str = ""
    # $settings of the session cookie.
    cookie_domain: str = ""
    name_suffix: str = ""

    @property
    def base_url(self) -> str:
        """The start of every absolute link that Drupal writes."""
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"

    @property
    def cookie_name(self) -> str:
        """The only name under which a session is found; all ports of a host share it (measured, Drupal 11.4).

        Measured, Drupal 10.6 and 11.4: it depends on scheme, host and base path; with a `cookie_domain`, the hosts of a
        site share it, and a `name_suffix` gives another one. How these two are hashed was not looked at.
        """
        hashed = self.cookie_domain or self.host + self.base_path
        return _cookie_name(self.scheme, hashed + self.name_suffix)

    @property
    def cookie_scope(self) -> str:
        """The attributes between `path` and `HttpOnly`, each with its `; `."""
        dotted = "." in self.host and not self.host.replace(".", "").isdigit()
        domain = self.cookie_domain or (f".{self.host}" if dotted else "")
        return (f"; domain={domain}" if domain else "") + ("; secure" if self.scheme == "https" else "")


def read_origin(
    headers: Headers, *, peer: str, proxies: tuple[str, ...], hosts: tuple[str, ...], version: str = "11"
) -> Origin:
    """Read the origin of a request that came from *peer*.

    *proxies* are trusted addresses or networks, *hosts* the site's trusted_host_patterns.
    Raises RefusedEarlyError: 400 for a bad Host and for headers in conflict, 500 for a bad
    X-Forwarded-Host (measured, Drupal 11.4).
    """
    given: str = headers.get("Host", "")
    host = _checked_host(given or NO_HOST, hosts, version)
    forwarded = Forwarded(headers, peer, proxies if _is_in(peer, proxies) else ())
    claimed_host = forwarded.first("X-Forwarded-Host")
    try:
        host = _checked_host(claimed_host, hosts, version) if claimed_host else host
    except RefusedEarlyError as error:
        raise RefusedEarlyError(HTTPStatus.INTERNAL_SERVER_ERROR) from error
    scheme = "https" if forwarded.first("X-Forwarded-Proto").lower() in SECURE_WORDS else "http"
    port = forwarded.first("X-Forwarded-Port") or _port(claimed_host or headers.get("Host", ""))
    return Origin(
        scheme=scheme,
        host=host,
        port=int(port) if port.isdecimal() else DEFAULT_PORTS[scheme],
        address=forwarded.client_address(),
    )


class Forwarded:
    """The forwarding headers of a request, empty unless its peer is trusted."""

    def __init__(self, headers: Headers, peer: str, proxies: tuple[str, ...]) -> None:
        """Read *headers*. *proxies* is empty if the peer is not a trusted proxy."""
        self._headers = headers
        self._peer = peer
        self._proxies = proxies

    def first(self, name: str) -> str:
        """Return the left-most value of header *name*, or an empty string."""
        values = self._agreed(name, self._listed(name), self._named(name))
        return values[0] if values else ""

    def client_address(self) -> str:
        """Return the right-most address that is not a trusted proxy (measured, Drupal 11.4)."""
        name = "X-Forwarded-For"
        addresses = self._agreed(name, self._untrusted(self._listed(name)), self._untrusted(self._named(name)))
        return addresses[0] if addresses else self._peer

    def _listed(self, name: str) -> list[str]:
        if not self._proxies or name not in self._headers:
            return []
        return [value.strip() for value in ",".join(self._headers.getall(name)).split(",")]

    def _named(self, name: str) -> list[str]:
        parameter = FORWARDED_PARAMETERS.get(name)
        if not self._proxies or parameter is None or "Forwarded" not in self._headers:
            return []
        elements = (_parameters(element) for element in ",".join(self._headers.getall("Forwarded")).split(","))
        return [element[parameter] for element in elements if parameter in element]

    def _agreed(self, name: str, listed: list[str], named: list[str]) -> list[str]:
        if listed and named and listed != named:
            raise ConflictingHeadersError(HTTPStatus.BAD_REQUEST, CONFLICT.format(name.upper().replace("-", "_")))
        return listed or named

    def _untrusted(self, chain: list[str]) -> list[str]:
        if not chain:
            return []
        addresses = [address for address in map(_without_port, [*chain, self._peer]) if _is_address(address)]
        untrusted = [address for address in addresses if not _is_in(address, self._proxies)]
        return untrusted[::-1] or addresses[:1]


def _parameters(element: str) -> dict[str, str]:
    pairs = (pair.strip().partition("=") for pair in element.split(";"))
    return {name.lower(): value.strip('"') for name, _, value in pairs}


@lru_cache(maxsize=4096)
def _checked_host(raw: str, patterns: tuple[str, ...], version: str) -> str:
    """Check a host. Measured: Drupal 11.4 refuses a port that is no number and an incomplete address, 10.6 does not."""
    host = re.sub(r":\d+$", "", raw.strip()).lower()
    if version == "11" and (HALF_A_PORT.search(host) or HALF_AN_ADDRESS.fullmatch(host)):
        raise RefusedEarlyError(HTTPStatus.BAD_REQUEST)
    well_formed = not HOST_LEFTOVER.sub("", host)
    if patterns and not (well_formed and any(re.search(pattern, host, re.IGNORECASE) for pattern in patterns)):
        raise RefusedEarlyError(HTTPStatus.BAD_REQUEST, UNTRUSTED_HOST)
    if not well_formed:
        raise RefusedEarlyError(HTTPStatus.BAD_REQUEST)
    return host


def _port(host: str) -> str:
    found = re.search(r":(\d+)$", host.strip())
    return found[1] if found else ""


def _without_port(address: str) -> str:
    if "." in address:
        # A colon in front is not a port: ::ffff:1.2.3.4 stays whole.
        return address[: address.index(":")] if address.find(":") > 0 else address
    return address[1:].partition("]")[0] if address.startswith("[") else address


@lru_cache(maxsize=4096)
def _is_address(text: str) -> bool:
    try:
        return not getattr(ipaddress.ip_address(text), "scope_id", None)
    except ValueError:
        return False


@lru_cache(maxsize=4096)
def _is_in(address: str, networks: tuple[str, ...]) -> bool:
    parsed = ipaddress.ip_address(address)
    return any(parsed in ipaddress.ip_network(network, strict=False) for network in networks)


@lru_cache(maxsize=256)
def _cookie_name(scheme: str, host: str) -> str:
    prefix = "SSESS" if scheme == "https" else "SESS"
    return prefix + hashlib.sha256(host.encode()).hexdigest()[:32]
