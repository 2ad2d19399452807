"""What PHP makes of a query, of a posted body and of request headers. Measured, Drupal 10.5, 10.6 and 11.4.

Pure. Fields are flat: `filter[uid][value]=2` is the field of that name, and `a[]=x` is `a[0]`.
"""

import base64
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_to_bytes

Fields = dict[str, str]

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
BRACKETS = re.compile(r"\[([^\]]*)\]")
# What ends the media type in a Content-Type header, for PHP.
AFTER_MEDIA_TYPE = re.compile("[;, ]")
DISPOSITION = re.compile(rb'(?i)content-disposition:\s*form-data;.*?\bname="([^"]*)"')
NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")


def parse_query(text: str) -> Fields:
    """Parse a query or an urlencoded body. The last of two fields with one name wins."""
    return dict(_parsed(text)) if text else {}


@lru_cache(maxsize=256)
def _parsed(text: str) -> Fields:
    fields: Fields = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if name:
            register(fields, decode(name.replace("+", " ")), decode(value.replace("+", " ")))
    return fields


def parse_body(body: bytes, content_type: str) -> Fields:
    """Return the fields of a POST: none at all unless it is urlencoded or multipart."""
    match AFTER_MEDIA_TYPE.split(content_type, maxsplit=1)[0].lower():
        case "application/x-www-form-urlencoded":
            return parse_query(body.decode(errors="surrogateescape"))
        case "multipart/form-data":
            return parse_multipart(body, boundary(content_type))
        case _:
            return {}


def boundary(content_type: str) -> bytes:
    """Return the boundary: quoted, or up to a comma or semicolon; the first one of two."""
    found = re.search(r'(?i)boundary[^=]*=(?:"([^"]*)"|([^,;]*))', content_type)
    return (found[1] or found[2] or "").encode(errors="surrogateescape") if found else b""


def parse_multipart(body: bytes, boundary: bytes) -> Fields:
    """Parse a multipart body, whose lines may also end in a bare LF. A part with a file name is no field."""
    fields: Fields = {}
    if not boundary:
        return fields
    for part in re.split(rb"(?:^|\r?\n)--" + re.escape(boundary) + rb"(?:--)?[ \t]*(?=\r?\n|$)", body)[1:]:
        head, _, value = re.sub(rb"^\r?\n", b"", part).replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")
        name = DISPOSITION.search(head)
        if name is not None and b"filename=" not in head:
            register(fields, name[1].decode(errors="surrogateescape"), value.decode(errors="surrogateescape"))
    return fields


def register(fields: Fields, name: str, value: str) -> None:
    """Set a variable as PHP registers it.

    Leading blanks and everything behind a NUL are dropped; a dot, a blank and a
    `[` that is never closed become `_`. A list replaces a text of its name, and a
    text a list.
    """
    name = name.lstrip(" ").partition("\0")[0]
    plain, bracket, rest = name.partition("[")
    plain = plain.replace(" ", "_").replace(".", "_")
    keys = BRACKETS.findall(bracket + rest) if "]" in rest else []
    if not plain:
        return
    if not keys:
        plain += "_" * len(bracket) + rest
        for other in [other for other in fields if other.startswith(plain + "[")]:
            del fields[other]
        fields[plain] = value
        return
    fields.pop(plain, None)
    fields[_numbered(fields, plain, keys)] = value


def _numbered(fields: Fields, plain: str, keys: Iterable[str]) -> str:
    for key in keys:
        number = sum(1 for other in fields if other.startswith(plain + "["))
        plain += f"[{key or number}]"
    return plain


def decode(text: str) -> str:
    """Decode percent-encoding once."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text.encode(errors="surrogateescape")).decode(errors="surrogateescape")


def headers(received: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers that PHP gets from nginx, by lower-case name.

    nginx drops names with an underscore. The last of two headers with one name
    wins, the Cookie header included.
    """
    return {name.lower(): value for name, value in received if "_" not in name}


def basic_credentials(received: dict[str, str]) -> tuple[str, str] | None:
    """Return the name and password of a Basic header, or of headers called PHP-AUTH-USER and PHP-AUTH-PW.

    `Basic` counts in any case, and needs a blank behind it. What is no base64 is
    skipped. A Basic header that can be read takes precedence.
    """
    authorization = received.get("authorization", "")
    if authorization[:6].lower() == "basic ":
        name, colon, password = decode_base64(authorization[6:]).partition(":")
        if colon:
            return name, password
    name, password = received.get("php-auth-user", ""), received.get("php-auth-pw", "")
    return (name, password) if "php-auth-user" in received and "php-auth-pw" in received else None


def authorization(received: dict[str, str]) -> str:
    """Return the Authorization header as Symfony builds it.

    A header called PHP-AUTH-DIGEST is taken for it, unless there is one, or a PHP-AUTH-USER.
    """
    given = received.get("authorization")
    if given is not None:
        return given
    if "php-auth-user" in received:
        credentials = f"{received['php-auth-user']}:{received.get('php-auth-pw', '')}"
        return "Basic " + base64.b64encode(credentials.encode(errors="surrogateescape")).decode()
    return received.get("php-auth-digest", "")


def decode_base64(text: str) -> str:
    """Decode as PHP does when it is not strict: other characters are skipped, and so is an incomplete end."""
    kept = NOT_BASE64.sub("", text)
    if len(kept) % 4 == 1:
        kept = kept[:-1]
    return base64.b64decode(kept + "=" * (-len(kept) % 4)).decode(errors="surrogateescape")
