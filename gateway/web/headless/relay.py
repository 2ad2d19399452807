"""The attributes with which the gateway hands Drupal's session cookie to a browser."""

from typing import Final, Literal

How = Literal["keep", "host-only", "cross-site"]

# Browsers send a cookie from the pages of another site only if it has these attributes. For each of these sites, they
# keep a cookie of its own (CHIPS).
_CROSS_SITE: Final = "; SameSite=None; Secure; Partitioned"
_REPLACED: Final = frozenset({"samesite", "secure", "partitioned"})


def relayed(line: str, how: How) -> str:
    """Return the Set-Cookie *line* as it is handed on. A line that deletes the cookie needs the same attributes."""
    match how:
        case "keep":
            return line
        case "host-only":
            return without(line, frozenset({"domain"}))
        case "cross-site":
            return without(line, _REPLACED) + _CROSS_SITE


def without(line: str, attributes: frozenset[str]) -> str:
    """Return *line* without *attributes*, which are in lower case. Their letter case in *line* does not matter."""
    pair, *rest = line.split(";")
    kept = [part for part in rest if part.partition("=")[0].strip().lower() not in attributes]
    return ";".join([pair, *kept])
