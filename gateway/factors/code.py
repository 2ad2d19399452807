"""The one-time code of a message, made from the transaction's secret at each use, so that it is never stored."""

import hmac
import unicodedata
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, ClassVar

import pyotp
from pydantic import Field

from gateway.account import Enrolment
from gateway.interfaces import Spend
from gateway.options import Options

# To Unicode these are neither dashes nor separators, but people and mail programs write codes with them.
SEPARATORS = frozenset("\N{MINUS SIGN}.\N{MIDDLE DOT}\N{BULLET}\N{KATAKANA MIDDLE DOT}\N{IDEOGRAPHIC FULL STOP}")
# No category of letters is among them. Cf holds the invisible marks that are pasted together with a code.
SEPARATOR_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Pd", "Pc", "Cf"})
# No spelling of eight digits is longer than this. NFKC can turn one letter into eighteen, so the length is checked
# before NFKC.
LONGEST = 128


class CodeOptions(Options):
    """The length of a code, its lifetime, and how often it may be tried and sent."""

    digits: Annotated[int, Field(ge=6, le=8)] = 6
    lifetime_seconds: Annotated[float, Field(ge=1, le=3600)] = 300
    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    resends: Annotated[int, Field(ge=0, le=20)] = 3
    resend_wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 60


class Code:
    """Implements interfaces.Factor with a code that a message carries."""

    enrolled: ClassVar[bool] = False

    def __init__(self, options: CodeOptions) -> None:
        self.options = options

    def challenge(self, secret: bytes) -> str:
        """Return the code that is sent (promise 9: the same for every message of a transaction)."""
        return Hotp(secret, digits=self.options.digits).at(0)

    def capacity(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def check(self, answer: str, *, secret: bytes, enrolment: Enrolment | None, now: float) -> Spend | None:
        del enrolment, now
        return unchanged if self.matches(answer, secret=secret) else None

    def matches(self, typed: str, *, secret: bytes) -> bool:
        """Return whether *typed* is the code of *secret*, however it is spelled."""
        # As bytes: compare_digest raises on a str that is not ASCII.
        return hmac.compare_digest(self.challenge(secret).encode(), digits_of(typed).encode())


def unchanged(enrolment: Enrolment) -> Enrolment:
    """Change nothing in the enrolment: the code is used up when its transaction closes."""
    return enrolment


def digits_of(typed: str) -> str:
    """Return the decimal digits of *typed* as ASCII; empty if it holds anything but digits and separators."""
    if typed.isascii() and typed.isdecimal():
        return typed
    if len(typed) > LONGEST:
        return ""
    found: list[str] = []
    for letter in unicodedata.normalize("NFKC", typed):
        digit = unicodedata.decimal(letter, None)
        if digit is not None:
            found.append(str(digit))
        elif not _is_separator(letter):
            return ""
    return "".join(found)


def _is_separator(letter: str) -> bool:
    return letter.isspace() or letter in SEPARATORS or unicodedata.category(letter) in SEPARATOR_CATEGORIES


class Hotp(pyotp.HOTP):
    """RFC 4226 over bytes. To encode the secret as base32 and back would cost three times as much as the code."""

    def __init__(self, secret: bytes, *, digits: int) -> None:
        self._bytes = secret
        super().__init__("", digits=digits)

    def byte_secret(self) -> bytes:
        return self._bytes
