"""The one-time code: made from a transaction's secret whenever it is asked for, so that it is never stored."""

import hmac
import secrets
import unicodedata
from typing import Annotated

import pyotp
from pydantic import Field

from gateway.options import Options

# Unicode does not call these dashes or separators, but people and mail programs write codes with them.
SEPARATORS = frozenset("\N{MINUS SIGN}.\N{MIDDLE DOT}\N{BULLET}\N{KATAKANA MIDDLE DOT}\N{IDEOGRAPHIC FULL STOP}")
# Letters count in no category here. Cf: the invisible marks that come along when a code is pasted.
SEPARATING = frozenset({"Zs", "Zl", "Zp", "Pd", "Pc", "Cf"})
# What no spelling of eight digits reaches; NFKC can make eighteen letters of one.
LONGEST = 128


class CodeOptions(Options):
    """How long a code is, how long it lives, and how often it may be tried and sent."""

    digits: Annotated[int, Field(ge=6, le=8)] = 6
    lifetime_seconds: Annotated[float, Field(ge=1, le=3600)] = 300
    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    resends: Annotated[int, Field(ge=0, le=20)] = 3
    resend_wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 60


class Code:
    """A Factor: whoever reads the message can type what stands in it."""

    def __init__(self, options: CodeOptions) -> None:
        self.options = options

    def challenge(self) -> bytes:
        """160 random bits: what RFC 4226 §4 (R6) recommends for a secret."""
        return secrets.token_bytes(20)

    def code(self, secret: bytes) -> str:
        """The code of *secret*: the same at every call, so that a resend repeats it (promise 9)."""
        return Hotp(secret, digits=self.options.digits).at(0)

    def check(self, secret: bytes, typed: str) -> bool:
        """Whether *typed* is the code of *secret*, however it was spelled."""
        # As bytes: compare_digest raises on a str that is not ASCII.
        return hmac.compare_digest(self.code(secret).encode(), digits_of(typed).encode())


def digits_of(typed: str) -> str:
    """The decimal digits of *typed* as ASCII; empty when anything but digits and separators stands in it."""
    if typed.isascii() and typed.isdecimal():
        return typed
    if len(typed) > LONGEST:
        return ""
    found: list[str] = []
    for letter in unicodedata.normalize("NFKC", typed):
        digit = unicodedata.decimal(letter, None)
        if digit is not None:
            found.append(str(digit))
        elif not _separates(letter):
            return ""
    return "".join(found)


def _separates(letter: str) -> bool:
    return letter.isspace() or letter in SEPARATORS or unicodedata.category(letter) in SEPARATING


class Hotp(pyotp.HOTP):
    """RFC 4226 over bytes: the way through base32 and back costs three times the code itself."""

    def __init__(self, secret: bytes, *, digits: int) -> None:
        self._bytes = secret
        super().__init__("", digits=digits)

    def byte_secret(self) -> bytes:
        return self._bytes
