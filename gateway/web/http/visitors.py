"""The visitor's part of a request."""

from aiohttp import web

from gateway.account import Visitor
from gateway.web.http.app_keys import ADDRESSES

HEADER_CHARACTERS = 256


def visitor_of(request: web.Request) -> Visitor:
    return Visitor(
        address=request.app[ADDRESSES].of(request),
        unvouched=request.app[ADDRESSES].unvouched(request),
        user_agent=printable(request.headers.get("User-Agent", "")),
        accept_language=printable(request.headers.get("Accept-Language", "")),
    )


def printable(header: str) -> str:
    """The printable ASCII characters among the first 256 of *header*. Drupal gets no others from us."""
    cut = header[:HEADER_CHARACTERS]
    if not (cut.isascii() and cut.isprintable()):
        cut = "".join(letter for letter in cut if " " <= letter <= "~")
    return cut.strip()
