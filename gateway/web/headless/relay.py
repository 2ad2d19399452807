"""Drupal's cookies on their way in and out, byte for byte."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import structlog
from aiohttp import web

log = structlog.get_logger()

# A pair of a Cookie header that may be a Drupal session; the value may hold %2C and is not decoded (measured).
SESSION_PAIR = re.compile(r"(?:^|;)\s*(S?SESS[0-9a-f]{32})=([^;\s\"]{1,256})")
# More than these are nobody's browser.
MOST_COOKIES = 4


def sessions_in(request: web.Request) -> Iterator[tuple[str, str]]:
    """Name and value of each session cookie that the browser sent."""
    header = "; ".join(request.headers.getall("Cookie", []))
    for count, match in enumerate(SESSION_PAIR.finditer(header), start=1):
        if count > MOST_COOKIES:
            return
        yield match[1], match[2]


def why_unusable(set_cookie: str, public_url: str | None) -> str | None:
    """Why a browser at *public_url* must reject this cookie, or None (RFC 6265 §5.3, cookie prefixes aside)."""
    if public_url is None:
        return None
    seen = urlsplit(public_url)
    host = seen.hostname or ""
    attributes = [part.strip().lower() for part in set_cookie.split(";")[1:]]
    domain = next((part[7:].lstrip(".") for part in attributes if part.startswith("domain=")), None)
    if domain is not None and host != domain and not host.endswith(f".{domain}"):
        return "domain"
    if "secure" in attributes and seen.scheme != "https" and host != "localhost":
        return "secure"
    if "secure" not in attributes and seen.scheme == "https":
        return "not_secure"
    return None


# What to write into settings.php, by the reason.
ADVICE = {
    "domain": "set drupal.public_url to the address that visitors see, or $cookie_domain in services.yml",
    "secure": "visitors come over http, Drupal believes in https: check drupal.public_url",
    "not_secure": "$settings['reverse_proxy'] = TRUE; $settings['reverse_proxy_addresses'] = ['ADDRESS OF HEADGATE'];",
}


def warn_if_unusable(cookies: tuple[str, ...], public_url: str | None) -> None:
    """Say what to change when the handed-over cookie can't work where it goes."""
    for line in cookies:
        reason = why_unusable(line, public_url)
        if reason:
            log.warning("relay.unusable_cookie", reason=reason, change=ADVICE[reason])
