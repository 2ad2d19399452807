"""An authenticator app's code: RFC 6238 with what every app can do, which is SHA-1, six digits and 30 seconds."""

import base64
import hmac
import secrets
from typing import Annotated

import pyotp
import segno
from pydantic import AfterValidator, Field

from gateway.factors.code import Hotp, digits_of
from gateway.options import Options

STEP_SECONDS = 30
# RFC 6238 §5.2 recommends one step of tolerance: a clock that is late, and somebody who types slowly.
TOLERATED_STEPS = 1
# What an app shows of a name. Both stand in the QR code, which has to stay readable by a phone's camera.
LABEL_CHARACTERS = 60


def _plain(issuer: str) -> str:
    # Apps split issuer and name at a colon.
    if ":" in issuer or not issuer.isprintable():
        raise ValueError("must not hold a colon or a control character")
    return issuer


class TotpOptions(Options):
    """Whether people may enrol an app, and whether they are then asked for it first."""

    enabled: bool = False
    prefer: bool = True
    issuer: Annotated[str, Field(max_length=40), AfterValidator(_plain)] = ""


class Totp:
    """Codes that an app makes from a shared secret and the time."""

    def __init__(self, *, issuer: str, digits: int = 6) -> None:
        self._issuer = issuer
        self._digits = digits

    def secret(self) -> bytes:
        """160 random bits: what RFC 4226 §4 (R6) recommends, and no padding in base32."""
        return secrets.token_bytes(20)

    def code(self, secret: bytes, step: int) -> str:
        return Hotp(secret, digits=self._digits).at(step)

    def step(self, secret: bytes, typed: str, *, now: float, after: int) -> int | None:
        """The step whose code was *typed*, if it is near *now* and later than the step *after*, the last one spent.

        Takes the same time for every answer, right or wrong.
        """
        digits = digits_of(typed).encode()
        current = int(now) // STEP_SECONDS
        found = None
        for step in range(current - TOLERATED_STEPS, current + TOLERATED_STEPS + 1):
            if hmac.compare_digest(self.code(secret, step).encode(), digits) and step > after:
                found = step
        return found

    def uri(self, secret: bytes, name: str) -> str:
        """What an app reads from the QR code; *name* is the account as the app shows it."""
        totp = pyotp.TOTP(text_of(secret), digits=self._digits, interval=STEP_SECONDS)
        return totp.provisioning_uri(name=label_of(name), issuer_name=label_of(self._issuer))


def text_of(secret: bytes) -> str:
    """*secret* as people type it into an app that has no camera: base32."""
    return base64.b32encode(secret).decode()


def label_of(name: str) -> str:
    """*name* as an app may show it: one short printable line."""
    return "".join(letter for letter in name if letter.isprintable() and letter != ":")[:LABEL_CHARACTERS]


def qr_of(uri: str) -> str:
    """*uri* as an inline SVG, dark on a light ground also where the page is dark."""
    # Least correction: it is shown on a screen, and the fewer dots, the sooner a camera reads it.
    made = segno.make_qr(uri, error="l", boost_error=False)
    # With a unit it has a viewBox, too, so that a page may show it in another size.
    return made.svg_inline(scale=4, border=4, dark="#000", light="#fff", title="QR code", unit="px")
