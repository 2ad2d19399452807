"""The guard's verdicts, as plain functions over headers, paths and bodies. Nothing here waits or sends.

The sentence to keep true: an authenticated session of Drupal's acts through the gateway only if it passed the second
factor. A request loses every other means to act as a user. An answer is judged by the cookies that it sets, whatever
its path and its status. The rules come from some two thousand requests to Drupal 10.5, 10.6 and 11.4.
"""

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote

Headers = Sequence[tuple[str, str]]

# SESS or SSESS and 32 hex digits, whatever the site configures (measured in 1,480 logins).
_SESSION: Final = re.compile(r"S?SESS[0-9a-f]{32}")
# Any spelling of such a name. Drupal accepts only the one above, so the others are dropped and not understood.
_LIKE_SESSION: Final = re.compile(r"(?i)[^0-9a-z]*s?sess[0-9a-f]{32}[^0-9a-z]*")
_SET_SESSION: Final = re.compile(r"\s*(s?sess[0-9a-f]{32})\s*=\s*([^;]*)", re.IGNORECASE)
_DELETED: Final = frozenset({"", "deleted"})
# The cookies of the gateway's own. Drupal never sees them.
OWN: Final = re.compile(r"(?:__Host-)?headgate-[a-z]+")

# PHP turns these into the name and password of Basic, or into a token (measured), whatever stands between the words.
_AS_PHP_AUTH: Final = re.compile(r"php[-_.]auth[-_.].*|redirect[-_.].*", re.IGNORECASE)

# Files beside index.php, and routes that act without a session: /cron/KEY, /core/rebuild.php, /update.php.
_CLOSED: Final = re.compile(
    r"/(?:update|install|authorize|cron|xmlrpc)\.php(?:/.*)?|/core/[^?]*\.php(?:/.*)?|(?:/[^/]+)?/cron/.*"
)
_TOKEN: Final = re.compile(r"(?:/[^/]+)?/oauth2?/token")
# Where a user changes their own password (measured: the account form, REST, JSON:API).
_ACCOUNT: Final = re.compile(r"(?:/[^/]+)?(?:/user/[0-9]+(?:/.*)?|/jsonapi/user/user/.*)")

# The grants that a request at a token route may ask for. All others are refused, above all the password grant, which
# gives a token for the password alone.
GRANTS: Final = frozenset({"authorization_code", "refresh_token"})
# A request for a token has some hundred bytes.
GRANT_BYTES: Final = 16 * 1024

Place = Literal["closed", "token", "account", "page"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cookies:
    """A request's cookies: pairs that are named like a session's, *own* ones of the gateway, and the *others*."""

    sessions: Headers = field(repr=False)
    own: dict[str, str] = field(repr=False)
    others: tuple[str, ...] = field(repr=False)


def cookies_in(lines: Iterable[str]) -> Cookies:
    """Split the Cookie headers of a request.

    PHP takes the first of two cookies with one name, and some web servers the last of two headers (measured). So no
    pair that could be a session's is passed on as it came.
    """
    sessions: list[tuple[str, str]] = []
    own: dict[str, str] = {}
    others: list[str] = []
    for part in (part.strip() for line in lines for part in line.split(";")):
        name, _, value = part.partition("=")
        name = name.strip()
        if _SESSION.fullmatch(name):
            sessions.append((name, value.strip()))
        elif OWN.fullmatch(name):
            own.setdefault(name, value.strip())
        elif part and not _LIKE_SESSION.fullmatch(unquote(name)):
            others.append(part)
    return Cookies(sessions=sessions, own=own, others=tuple(others))


@dataclass(frozen=True, kw_only=True, slots=True)
class SetSession:
    """A session cookie that an answer sets, or deletes. *line* is the whole Set-Cookie line."""

    name: str
    value: str = field(repr=False)
    line: str = field(repr=False)

    @property
    def is_deletion(self) -> bool:
        """Judged by the value alone: a date in the past would hide a session from the guard and not from a client."""
        return self.value in _DELETED


def session_set_by(line: str) -> SetSession | None:
    """Return the session cookie that the Set-Cookie *line* is about, in any letter case; None for any other cookie."""
    match = _SET_SESSION.match(line)
    return SetSession(name=match[1], value=match[2].strip(), line=line) if match else None


def without_credentials(headers: Headers, *, bearer: bool) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the request's headers without any that log somebody in, and the names of those that were left out.

    *bearer*: `Authorization: Bearer` is passed on. Cookies are left out, too: the guard writes the one Cookie header.
    """
    kept: list[tuple[str, str]] = []
    dropped: list[str] = []
    for name, value in headers:
        lower = name.lower()
        if lower == "cookie":
            continue
        if lower == "authorization" and not (bearer and _is_bearer(value)):
            dropped.append("authorization")
        elif _AS_PHP_AUTH.fullmatch(name):
            dropped.append("php-auth")
        else:
            kept.append((name, value))
    return kept, dropped


def _is_bearer(authorization: str) -> bool:
    # Drupal accepts no other letter case (measured).
    return authorization.startswith("Bearer ") and ":" not in authorization


def folded(target: str) -> str:
    """Return the path of a request's *target* as Drupal's router compares it.

    Decoded once, without the front controller in any spelling, without one trailing slash, and without letter case by
    Unicode's simple folding: `ſ` is s, and the Kelvin sign is k (measured).
    """
    path = unquote(target.partition("?")[0].partition("#")[0], errors="replace").casefold()
    if path.startswith("/index.php"):
        # Drupal 11 needs no slash after it.
        path = "/" + path.removeprefix("/index.php").lstrip("/")
    return path.removesuffix("/") or "/"


def resolved(path: str) -> str:
    """Return a folded *path* without dot segments and doubled slashes."""
    return "/" + posixpath.normpath(path).lstrip("/")


def place_of(target: str) -> Place:
    """Return what the guard must know of a request's *target*."""
    return _place_of(target.partition("?")[0])


# Most requests are for few paths. A longer list would only hold what somebody makes up.
@lru_cache(512)
def _place_of(raw: str) -> Place:
    path = folded(raw)
    # The web server in front of PHP chooses the file by the path without dot segments and doubled slashes (measured).
    if _CLOSED.fullmatch(path) or _CLOSED.fullmatch(resolved(path)) or _is_second_front(raw):
        return "closed"
    if _TOKEN.fullmatch(path):
        return "token"
    return "account" if _ACCOUNT.fullmatch(path) else "page"


def _is_second_front(raw: str) -> bool:
    """Whether *raw* spells the front controller so that Drupal's cookie gets another name (measured)."""
    return unquote(raw).lower().startswith("/index.php") and not raw.startswith("/index.php")


def grants_asked(body: bytes, *, content_type: str) -> frozenset[str]:
    """Return every grant that PHP could read in *body*. Empty if it can't be read, which counts as a refusal.

    PHP turns `.`, a blank and `[` in a name into `_`, and the last of two wins (measured); here all of them count.
    """
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return frozenset()
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:
        return frozenset()
    return frozenset(value for name, value in fields if _php_name(name) == "grant_type")


def _php_name(name: str) -> str:
    return re.sub(r"[. \[]", "_", name.lstrip(" ").partition("\0")[0])


def wants_page(accept: str, *, is_ajax: bool) -> bool:
    """Whether the client shows pages to a person: it names `text/html`, as every browser does when it navigates."""
    return "text/html" in accept.lower() and not is_ajax


def landing(location: str, *, target: str, origin: str) -> str:
    """Return the path to show after the code: where Drupal sends the user, on this site only; otherwise *target*.

    *location* is the Location of the answer that was held, empty if it has none.
    """
    here = location.removeprefix(origin) if location.startswith(f"{origin}/") else location
    if (
        here.startswith("/")
        and not here.startswith("//")
        and here.isascii()
        and here.isprintable()
        and "\\" not in here
    ):
        return here
    return target if target.startswith("/") and not target.startswith("//") else "/"
