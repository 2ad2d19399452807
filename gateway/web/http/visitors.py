"""The visitor's part of a request."""

from aiohttp import web

from gateway.account import Visitor
from gateway.web.http.app_keys import ADDRESSES
from gateway.web.http.client_ip import Addresses

HEADER_CHARACTERS = 256


def visitor_of(request: web.Request, addresses: Addresses | None = None) -> Visitor:
    """Return who asks. *addresses* are the application's; a proxied request has no application."""
    addresses = addresses or request.app[ADDRESSES]
    return Visitor(
        address=addresses.of(request),
        unvouched=addresses.unvouched(request),
        user_agent=printable(request.headers.get("User-Agent", "")),
        accept_language=printable(request.headers.get("Accept-Language", "")),
    )


def printable(header: str) -> str:
    """The printable ASCII characters among the first 256 of *header*. Drupal gets no others from us."""
    cut = header[:HEADER_CHARACTERS]
    if not (cut.isascii() and cut.isprintable()):
        cut = "".join(letter for letter in cut if " " <= letter <= "~")
    return cut.strip()
