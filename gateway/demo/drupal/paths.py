"""From the target of a request to the path that Drupal routes by.

Pure. Measured, Drupal 10.5, 10.6 and 11.4: a path is decoded once and compared
without regard to case; nothing is collapsed or resolved on the way.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from gateway.demo.drupal.accounts import weight
from gateway.demo.drupal.origin import RefusedEarlyError
from gateway.demo.drupal.php import decode

FRONT_CONTROLLER = "/index.php"
# One character of the front controller, percent-encoded or not.
SPELLED = re.compile(r"(?:%[0-9A-Fa-f]{2}|.)" * len(FRONT_CONTROLLER))


class BrokenPathError(RefusedEarlyError):
    """A path with raw bytes that are no UTF-8: 500 (measured, Drupal 10.6 and 11.4)."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.INTERNAL_SERVER_ERROR)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What Symfony reads from a request's target: its front controller as spelled, its path decoded, its query raw."""

    base: str
    path: str
    query: str
    is_collapsible: bool = False

    @property
    def base_path(self) -> str:
        """The part of the name of the session cookie that depends on the path.

        Measured, Drupal 10.6 and 11.4: below `/%69ndex.php` the cookie has another name.
        """
        return "" if self.base == FRONT_CONTROLLER else self.base


@lru_cache(maxsize=4096)
def read_target(target: str, *, version: str) -> Target:
    """Read the target of a request.

    Measured, Drupal 10.6 and 11.4: `#` ends the target; `index.php` may be encoded. On 11.4 a slash behind it is
    optional, on 10.6 it may be encoded. `//` in the raw path is collapsed by a redirect, not an encoded one.
    Raises BrokenPathError.
    """
    _check(target)
    path, _, query = target.partition("#")[0].partition("?")
    base = _front_controller(path)
    inner = path[len(base) :]
    if version == "11" and not inner.startswith("/"):
        inner = "/" + inner
    decoded = decode(inner.rstrip("/")) or "/"
    return Target(base=base, path=decoded, query=query, is_collapsible="//" in path)


def without_language(path: str, languages: tuple[str, ...]) -> str:
    """Return *path* without the prefix of one of *languages*, which has no other case (measured)."""
    first, slash, rest = path[1:].partition("/")
    if path.startswith("/") and first in languages:
        return slash + rest or "/"
    return path


def find_alias(path: str, aliases: Mapping[str, str]) -> str | None:
    """Return the path whose alias is *path*, as the database compares them.

    Measured, Drupal 10.6 and 11.4 on MariaDB: case and accents do not count, blanks at the end do.
    """
    sought = _collated(path)
    return next((internal for alias, internal in aliases.items() if _collated(alias) == sought), None)


@lru_cache(maxsize=4096)
def fold_case(text: str) -> str:
    """Fold by Unicode's simple case folding, as routes are matched: `ſ` is `s`, the Kelvin sign `k`, `ı` not `i`."""
    if text.isascii():
        return text.lower()
    return "".join(folded if len(folded := char.casefold()) == 1 else char for char in text)


def _front_controller(path: str) -> str:
    if not decode(path).startswith(FRONT_CONTROLLER):
        return ""
    spelled = SPELLED.match(path)
    return spelled[0] if spelled else ""


def _collated(path: str) -> str:
    return "".join(weight(char) for char in path)


def _check(target: str) -> None:
    try:
        target.encode()
    except UnicodeEncodeError as error:
        raise BrokenPathError from error
