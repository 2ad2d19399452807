"""The kinds of second factor, all behind one contract: `gateway.interfaces.Factor`.

    file         the user answers with         checked against           used up in
    code.py      the code of a message         the transaction's secret  the transaction, which it wins
    totp.py      the code of an app            the enrolled secret       the enrolment: the time step
    recovery.py  one of ten recovery codes     the enrolled hashes       the enrolment: the hash

A new factor is a file here and a line in `Factors.of`. `tests/contracts/factor_contract.py` holds each to the contract.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.auth_types import AuthType
from gateway.factors.code import Code, CodeOptions, digits_of
from gateway.factors.recovery import RecoveryCodes
from gateway.factors.totp import Totp, TotpOptions, qr_of, text_of
from gateway.interfaces import Factor

__all__ = [
    "Code",
    "CodeOptions",
    "Factors",
    "RecoveryCodes",
    "Totp",
    "TotpOptions",
    "digits_of",
    "open_factors",
    "qr_of",
    "text_of",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Factors:
    """One factor of each kind."""

    code: Code
    totp: Totp
    recovery: RecoveryCodes

    def of(self, auth_type: str) -> Factor:
        """Return the factor that *auth_type* asks for."""
        enrolled: dict[str, Factor] = {AuthType.AUTHENTICATOR: self.totp, AuthType.RECOVERY_CODE: self.recovery}
        # Every other method sends the code, each by its own channels.
        return enrolled.get(auth_type, self.code)


@contextmanager
def open_factors(code: CodeOptions, *, issuer: str) -> Iterator[Factors]:
    """Yield the factors; closing ends the threads that compare recovery codes."""
    recovery = RecoveryCodes()
    try:
        yield Factors(code=Code(code), totp=Totp(issuer=issuer), recovery=recovery)
    finally:
        recovery.close()
