"""The factors: what a person proves. A new one is a file here and a line below."""

from gateway.factors.code import Code, CodeOptions, digits_of
from gateway.factors.recovery import RecoveryCodes
from gateway.factors.totp import Totp, TotpOptions, qr_of, text_of

__all__ = [
    "Code",
    "CodeOptions",
    "RecoveryCodes",
    "Totp",
    "TotpOptions",
    "digits_of",
    "qr_of",
    "text_of",
]
