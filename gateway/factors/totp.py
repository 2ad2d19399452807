"""The code of an authenticator app: RFC 6238 as every app supports it, with SHA-1, six digits and 30 seconds."""

import base64
import hmac
import secrets
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, ClassVar

import pyotp
import segno
from pydantic import AfterValidator, Field

from gateway.account import Enrolment
from gateway.factors.code import Hotp, digits_of
from gateway.interfaces import Spend
from gateway.options import Options

STEP_SECONDS = 30
# RFC 6238 §5.2 recommends one step of tolerance, for clocks that differ and users who type slowly.
TOLERATED_STEPS = 1
# Issuer and name stand in the QR code, which a phone's camera must still be able to read.
LABEL_CHARACTERS = 60


def _usable_issuer(issuer: str) -> str:
    # Apps separate issuer and name at a colon.
    if ":" in issuer or not issuer.isprintable():
        raise ValueError("must not hold a colon or a control character")
    return issuer


class TotpOptions(Options):
    """Whether users may enrol an app, and whether they are then asked for it first."""

    enabled: bool = False
    prefer: bool = True
    issuer: Annotated[str, Field(max_length=40), AfterValidator(_usable_issuer)] = ""


class Totp:
    """Implements interfaces.Factor with the code that an app makes from a shared secret and the time."""

    enrolled: ClassVar[bool] = True

    def __init__(self, *, issuer: str, digits: int = 6) -> None:
        self._issuer = issuer
        self._digits = digits

    def secret(self) -> bytes:
        """Return 160 random bits, as RFC 4226 §4 (R6) recommends. Their base32 form needs no padding."""
        return secrets.token_bytes(20)

    def challenge(self, secret: bytes) -> str:
        """Return nothing: the app shows the code."""
        del secret
        return ""

    def capacity(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def check(self, answer: str, *, secret: bytes, enrolment: Enrolment | None, now: float) -> Spend | None:
        del secret
        shared = enrolment.totp_secret if enrolment else None
        if enrolment is None or shared is None:
            return None
        step = self.step(shared, answer, now=now, after=enrolment.last_step)
        return None if step is None else lambda held: held.spend_step(step, secret=shared)

    def code(self, secret: bytes, step: int) -> str:
        return Hotp(secret, digits=self._digits).at(step)

    def step(self, secret: bytes, typed: str, *, now: float, after: int) -> int | None:
        """Return the step whose code was *typed*, if it is near *now* and later than *after*, the last one used.

        It takes the same time for every answer, right or wrong.
        """
        digits = digits_of(typed).encode()
        current = int(now) // STEP_SECONDS
        found = None
        for step in range(current - TOLERATED_STEPS, current + TOLERATED_STEPS + 1):
            if hmac.compare_digest(self.code(secret, step).encode(), digits) and step > after:
                found = step
        return found

    def uri(self, secret: bytes, name: str) -> str:
        """Return what an app reads from the QR code; *name* is the account as the app shows it."""
        totp = pyotp.TOTP(text_of(secret), digits=self._digits, interval=STEP_SECONDS)
        return totp.provisioning_uri(name=label_of(name), issuer_name=label_of(self._issuer))


def text_of(secret: bytes) -> str:
    """Return *secret* in base32, for a user who types it into the app."""
    return base64.b32encode(secret).decode()


def label_of(name: str) -> str:
    """Return *name* as one short printable line."""
    return "".join(letter for letter in name if letter.isprintable() and letter != ":")[:LABEL_CHARACTERS]


def qr_of(uri: str) -> str:
    """Return *uri* as an inline SVG, dark on light even on a dark page."""
    # The lowest error correction: a screen is clean, and a camera reads a code with fewer dots sooner.
    made = segno.make_qr(uri, error="l", boost_error=False)
    # With a unit, the SVG has a viewBox, too, so that a page can show it in another size.
    return made.svg_inline(scale=4, border=4, dark="#000", light="#fff", title="QR code", unit="px")
