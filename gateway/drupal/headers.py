"""The headers that Drupal receives, and by which it names its cookie, counts failures and writes its log."""

from urllib.parse import urlsplit

from gateway.account import Visitor


def site_headers(url: str, public_url: str | None) -> dict[str, str]:
    """Host and scheme as visitors see them, the same on every call: Drupal names and scopes its cookie by them."""
    seen = urlsplit(public_url or url)
    scheme = {"X-Forwarded-Proto": seen.scheme} if public_url else {}
    # Firewalls refuse requests without a User-Agent. A visitor's own takes its place.
    return {"Host": seen.netloc, "User-Agent": "Headgate"} | scheme


def visitor_headers(visitor: Visitor | None) -> dict[str, str]:
    """The visitor's canonical address and the headers of their browser; empty for a call of the gateway's own."""
    if visitor is None:
        return {}
    headers = {"X-Forwarded-For": visitor.address}
    if visitor.user_agent:
        headers["User-Agent"] = visitor.user_agent
    if visitor.accept_language:
        headers["Accept-Language"] = visitor.accept_language
    return headers
