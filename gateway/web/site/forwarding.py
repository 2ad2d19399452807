"""Which headers of a request and of an answer are passed on, and which requests are refused. All functions are pure.

| headers | of a request | of an answer |
|---|---|---|
| hop-by-hop (RFC 9110 §7.6.1), and those that `Connection` names | dropped | dropped |
| Host, X-Forwarded-*, Forwarded, X-Real-IP, Proxy; those that change the method (`METHODS`) | dropped | kept |
| a name with `_`, or anything else but letters, digits and `-`: PHP reads `X_Real_IP` as `X-Real-IP` | dropped | kept |
| Content-Length | kept | kept |
| all others | kept, byte for byte, in their order | kept, byte for byte, in their order |
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from http import HTTPStatus

from gateway.interfaces.upstream import Headers

# Origin-form (RFC 9112 §3.2.1), in printable ASCII, without a fragment.
TARGET = re.compile(r"/[!-\"$-~]*")
# A header's name as nginx and Apache accept it, which is less than a token (RFC 9110 §5.1).
NAME = re.compile(r"[A-Za-z0-9-]+")
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# The proxy's own: who asks, and for which host. A visitor who sets them would be believed.
OURS = frozenset({"host", "forwarded", "x-real-ip", "proxy"})
# Drupal routes by these, so what was judged would not be what is done.
METHODS = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})
# What `Connection` may not take away: it frames the message.
FRAMING = frozenset({"content-length"})
# TRACE would show what only Drupal may see, and CONNECT opens a tunnel to anywhere.
REFUSED_METHODS = frozenset({"TRACE", "CONNECT"})
HTTP_1_0, HTTP_1_1 = (1, 0), (1, 1)
NO_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Kind(Enum):
    """What is done with a header of a request."""

    KEPT = auto()
    DROPPED = auto()
    CONNECTION = auto()
    EXPECT = auto()


@lru_cache(1024)
def kind_of(raw: bytes) -> tuple[str, str, Kind]:
    """Return a name, its lower case, and what is done with such a header of a request."""
    name = raw.decode("latin-1")
    lower = name.lower()
    if lower == "connection":
        return name, lower, Kind.CONNECTION
    if lower == "expect":
        return name, lower, Kind.EXPECT
    ours = lower in HOP_BY_HOP or lower in OURS or lower in METHODS or lower.startswith("x-forwarded-")
    return name, lower, Kind.DROPPED if ours or not NAME.fullmatch(name) else Kind.KEPT


@dataclass(kw_only=True, slots=True)
class Forwarded:
    """The headers of a request that may go on, and what `Connection` said."""

    headers: list[tuple[str, str]] = field(repr=False)
    options: frozenset[str] = frozenset()


def forwarded(raw_headers: Iterable[tuple[bytes, bytes]], *, expects: bool) -> Forwarded:
    """Return the headers of a request that are passed on. *expects*: `Expect: 100-continue` is passed on."""
    headers: list[tuple[str, str]] = []
    named: frozenset[str] = frozenset()
    for raw, value in raw_headers:
        name, _, kind = kind_of(raw)
        if kind is Kind.KEPT or (kind is Kind.EXPECT and expects):
            headers.append((name, value.decode("latin-1")))
        elif kind is Kind.CONNECTION:
            named |= options_of(value.decode("latin-1"))
    if dropped := named - FRAMING - {"keep-alive", "close", "upgrade"}:
        headers = [(name, value) for name, value in headers if name.lower() not in dropped]
    return Forwarded(headers=headers, options=named)


def released(headers: Headers, *, status: int) -> list[tuple[str, str]]:
    """Return the headers of an answer that are passed on: all but those of its own connection.

    A 204 has no body, so it must not have a length (RFC 9110 §8.6): the next proxy could wait for a body.
    """
    named: frozenset[str] = frozenset()
    for name, value in headers:
        if name.lower() == "connection":
            named |= options_of(value)
    dropped = HOP_BY_HOP | (named - FRAMING) if named else HOP_BY_HOP
    if status == HTTPStatus.NO_CONTENT:
        dropped |= FRAMING
    return [header for header in headers if header[0].lower() not in dropped]


def options_of(value: str) -> frozenset[str]:
    """Return the options of one `Connection` header, in lower case."""
    return frozenset(option.strip(" \t").lower() for option in value.split(","))


@dataclass(frozen=True, kw_only=True, slots=True)
class Framing:
    """How an answer's body is told from what follows: by its length, in chunks, or by the end of the connection."""

    has_body: bool
    chunked: bool
    by_close: bool


def framing_of(method: str, status: int, headers: Headers, *, version: tuple[int, int]) -> Framing:
    """Return the framing of an answer with these *headers*, for a client of this HTTP *version*."""
    if method == "HEAD" or status in NO_BODY:
        return Framing(has_body=False, chunked=False, by_close=False)
    if any(name.lower() == "content-length" for name, _ in headers):
        return Framing(has_body=True, chunked=False, by_close=False)
    chunked = version >= HTTP_1_1
    return Framing(has_body=True, chunked=chunked, by_close=not chunked)


def refusal(
    method: str, target: str, version: tuple[int, int], transfer_encodings: list[str], *, has_length: bool
) -> HTTPStatus | None:
    """Return why a request is refused before anybody has judged it: Drupal could read it differently than we do."""
    if method in REFUSED_METHODS:
        return HTTPStatus.METHOD_NOT_ALLOWED
    if not TARGET.fullmatch(target) or version not in (HTTP_1_0, HTTP_1_1):
        return HTTPStatus.BAD_REQUEST
    if transfer_encodings and (
        len(transfer_encodings) > 1 or transfer_encodings[0].lower() != "chunked" or has_length or version == HTTP_1_0
    ):
        return HTTPStatus.BAD_REQUEST
    return None


def hosts_of(*urls: str | None) -> frozenset[str]:
    """Return the values of Host that mean one of these *urls*, in lower case: with and without its default port."""
    hosts: set[str] = set()
    for url in filter(None, urls):
        scheme, _, rest = url.partition("://")
        host = rest.partition("/")[0].lower()
        default = {"http": ":80", "https": ":443"}[scheme.lower()]
        bare = host.removesuffix(default)
        hosts |= {host, bare, bare + default} if bare != host or not re.search(r":\d+$", host) else {host}
    return frozenset(hosts)
