"""The configured clients: an apiKey names one, and a browser client has origins of its own."""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from gateway.account import Client
from gateway.errors import ForeignOrigin, UnknownApiKey


class Clients:
    """The clients by the SHA-256 of their apiKeys. *own_origin* is that of the gateway, as visitors see it."""

    def __init__(self, clients: Mapping[bytes, Client], *, own_origin: str | None) -> None:
        self._clients = dict(clients)
        self._own_origin = own_origin
        self.origins = frozenset(origin for client in clients.values() for origin in client.origins)

    def known(self, api_key: str) -> Client:
        """Return the client of *api_key*; every client takes the same time. Raises UnknownApiKey.

        An empty key is unknown, whatever is configured.
        """
        digest = hashlib.sha256(api_key.encode()).digest()
        found = None
        for known, client in self._clients.items():
            if hmac.compare_digest(known, digest):
                found = client
        if found is None or not api_key:
            raise UnknownApiKey
        return found

    def demand_origin(self, client: Client, request: web.Request) -> None:
        """Raise ForeignOrigin for a request of a browser client from a page that is not its own."""
        origin = request.headers.get("Origin")
        if origin is None or client.kind == "server":
            return
        if origin not in client.origins and not self._is_own(origin, request):
            raise ForeignOrigin

    def may_read(self, origin: str) -> bool:
        """Whether pages of *origin* may read answers (CORS)."""
        return origin in self.origins

    def _is_own(self, origin: str, request: web.Request) -> bool:
        if self._own_origin is not None:
            return origin == self._own_origin
        # Without a public_url the request's Host names the gateway: no page can choose the Host that a browser sends.
        try:
            return urlsplit(origin).netloc == request.host
        except ValueError:
            # *origin* can't be parsed, such as `http://[`.
            return False


def origin_of(url: str) -> str:
    """The origin that a browser sends for pages at *url*: lower case, without a default port (RFC 6454 §6.2)."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")
