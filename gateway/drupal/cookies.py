"""Drupal's session cookies: in an answer, in a request, and whether a browser keeps them.

Values are passed on byte for byte: they may hold `%2C`, which Drupal expects back as it is (measured).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from gateway.interfaces import UnusableCookie

# SESS or SSESS and 32 hex digits of SHA-256 over the host (measured, Drupal 10.6 and 11.4).
_NAME: Final = r"S?SESS[0-9a-f]{32}"
_IN_ANSWER: Final = re.compile(rf"({_NAME})=([^;\s]*)")
_IN_REQUEST: Final = re.compile(rf"(?:^|;)\s*({_NAME})=([^;\s\"]{{1,256}})")

_DELETED: Final = "deleted"
_EXPIRED: Final = "expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; path=/"

# What to change in Drupal or in the gateway, by the reason.
CHANGES: Final = {
    "domain": "set drupal.public_url to the address that visitors see, or $cookie_domain in services.yml",
    "secure": "visitors come over http, Drupal believes in https: check drupal.public_url",
    "not_secure": "$settings['reverse_proxy'] = TRUE; $settings['reverse_proxy_addresses'] = ['ADDRESS OF HEADGATE'];",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionCookie:
    """A session cookie that an answer of Drupal's sets, or deletes. *line* is the whole Set-Cookie line."""

    name: str
    value: str = field(repr=False)
    line: str = field(repr=False)
    is_deletion: bool


def session_cookies(set_cookies: Sequence[str]) -> list[SessionCookie]:
    """The session cookies among an answer's Set-Cookie lines, in their order."""
    return [
        SessionCookie(name=match[1], value=match[2], line=line, is_deletion=match[2] in ("", _DELETED))
        for line in set_cookies
        if (match := _IN_ANSWER.match(line))
    ]


def opened_cookies(set_cookies: Sequence[str]) -> list[SessionCookie]:
    """The cookies of the sessions that an answer opened, each once: a login opens one."""
    live = [cookie for cookie in session_cookies(set_cookies) if not cookie.is_deletion]
    # Of several lines with the same name and value, the last one counts, as in a browser.
    return list({(cookie.name, cookie.value): cookie for cookie in live}.values())


def session_name(public_url: str) -> str:
    """The name that Drupal gives its session cookie at *public_url*, as `SessionConfiguration` of core makes it.

    A site can have another one: by $cookie_domain, by session.storage.options, or in a subdirectory.
    """
    seen = urlsplit(public_url)
    prefix = "SSESS" if seen.scheme == "https" else "SESS"
    return prefix + sha256((seen.hostname or "").encode()).hexdigest()[:32]


def sent_cookie(cookie_header: str, names: Sequence[str | None], *, any_name: bool = False) -> tuple[str, str] | None:
    """Name and value of the session cookie that a browser sent: the first that has one of *names*.

    Of two cookies with one name, PHP takes the first, too. With *any_name*, if no cookie has one of *names*, it is the
    first session cookie.
    """
    first = None
    for match in _IN_REQUEST.finditer(cookie_header):
        first = first or (match[1], match[2])
        if match[1] in names:
            return match[1], match[2]
    return first if any_name else None


def deletions(set_cookies: Sequence[str], name: str, *, host: str) -> tuple[str, ...]:
    """The Set-Cookie lines that delete the cookie *name* in a browser.

    If Drupal sent such lines, these are returned. Otherwise they are made as Drupal makes them: a dotted host gets
    `domain=.host`, and the prefix SSESS means `secure` (measured, Drupal 10.6 and 11.4).
    """
    sent = tuple(line for line in set_cookies if line.startswith(f"{name}={_DELETED};"))
    if sent:
        return sent
    is_dotted_name = "." in host and not host.replace(".", "").isdecimal()
    domain = [f"domain=.{host}"] if is_dotted_name else []
    secure = ["secure"] if name.startswith("SSESS") else []
    return ("; ".join([f"{name}={_DELETED}", _EXPIRED, *domain, *secure, "HttpOnly"]),)


def deletions_anywhere(name: str, *, host: str) -> tuple[str, ...]:
    """The Set-Cookie lines that delete the cookie *name* in a browser, whichever Domain the site has given it.

    A browser deletes a cookie only under the Domain that it was set with (RFC 6265 §5.3). By $cookie_domain, a site can
    choose *host* or any parent of it. Browsers ignore a parent that belongs to no site, such as `.co.uk`.
    """
    made = deletions((), name, host=host)
    if "domain=" not in made[0]:
        return made
    labels = host.split(".")
    domains = [".".join(labels[start:]) for start in range(len(labels) - 1)]
    return tuple(made[0].replace(f"domain=.{host}", f"domain=.{domain}") for domain in domains)


def unusable_cookies(set_cookies: Sequence[str], *, public_url: str | None) -> list[UnusableCookie]:
    """The cookies that a browser at *public_url* must reject; none where that address is not known."""
    reasons = [why_unusable(line, public_url) for line in set_cookies] if public_url else []
    return [UnusableCookie(reason=reason, change=CHANGES[reason]) for reason in reasons if reason]


def why_unusable(set_cookie: str, public_url: str) -> str | None:
    """Why a browser at *public_url* must reject this cookie, or None (RFC 6265 §5.3; cookie prefixes aside)."""
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
