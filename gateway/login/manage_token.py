"""The manageToken: proof of a fresh second factor. A login with a code gives one; changing factors needs one.

Nothing is stored: the grant stands in the token, sealed for one client. `Enrolment.revoked_at` makes all earlier
tokens void.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

from gateway.account import Grant
from gateway.errors import TransactionClosed
from gateway.sealing import Sealer, Unsealable
from gateway.store import decode_grant, encode_grant
from gateway.transaction import Transaction

LIFETIME_SECONDS = 600


class ManageTokens:
    """Makes tokens and reads them."""

    def __init__(self, sealer: Sealer, *, clock: Callable[[], float]) -> None:
        self._sealer = sealer
        self._clock = clock

    def give(self, grant: Grant, *, client: str) -> str:
        """Return the token of *grant*, for the client whose id is *client*."""
        return urlsafe_b64encode(self._sealer.seal("manage", _name(client), encode_grant(grant))).decode()

    def read(self, token: str, *, client: str) -> Grant:
        """Return the grant in *token*. Raises TransactionClosed for a forged or expired one, or another client's."""
        try:
            grant = decode_grant(self._sealer.open("manage", _name(client), urlsafe_b64decode(token)))
        except (Unsealable, ValueError):
            raise TransactionClosed("manage_token") from None
        if self._clock() >= grant.at + LIFETIME_SECONDS:
            raise TransactionClosed("expired")
        return grant


def grant_of(passed: Transaction, *, at: float) -> Grant:
    """Return the grant of a login whose second factor was right *at* that time."""
    return Grant(
        uid=passed.uid,
        username=passed.username,
        mail=passed.mail,
        language=passed.language,
        at=at,
        method=passed.auth_type,
    )


def _name(client: str) -> str:
    # What is sealed under one name opens under no other, so a client can't use another client's token.
    return f"manage:{client}"
