"""The proof of a fresh second factor: what a login with a code gives, and what changing one's factors asks for.

Nothing is stored. The token is sealed, for one client; what it says stands in it. An enrolment's `revoked_at` takes
all earlier ones back.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

from gateway.account import Grant
from gateway.errors import TransactionClosed
from gateway.store import Sealer, Unsealable, decode_grant, encode_grant
from gateway.transaction import Transaction

LIFETIME_SECONDS = 600


class ManageTokens:
    """Gives tokens and reads them."""

    def __init__(self, sealer: Sealer, *, clock: Callable[[], float]) -> None:
        self._sealer = sealer
        self._clock = clock

    def give(self, grant: Grant, *, client: str) -> str:
        return urlsafe_b64encode(self._sealer.seal("manage", _name(client), encode_grant(grant))).decode()

    def read(self, token: str, *, client: str) -> Grant:
        """What *token* says. Raises TransactionClosed for one that is not ours, not this client's, or too old."""
        try:
            grant = decode_grant(self._sealer.open("manage", _name(client), urlsafe_b64decode(token)))
        except (Unsealable, ValueError):
            raise TransactionClosed("manage_token") from None
        if self._clock() >= grant.at + LIFETIME_SECONDS:
            raise TransactionClosed("expired")
        return grant


def granted(won: Transaction, *, at: float) -> Grant:
    """What whoever has won *won* may do."""
    return Grant(uid=won.uid, username=won.username, mail=won.mail, language=won.language, at=at)


def _name(client: str) -> str:
    # Sealed for a name, it opens under no other: so is a token of one client nothing to another.
    return f"manage:{client}"
