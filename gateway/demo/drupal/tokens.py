"""The codes and tokens that simple_oauth has handed out."""

import base64
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

ACCESS_SECONDS = 300
REFRESH_SECONDS = 1_209_600
CODE_SECONDS = 300
Use = Literal["code", "access", "refresh"]
LIFETIMES: dict[Use, int] = {"code": CODE_SECONDS, "access": ACCESS_SECONDS, "refresh": REFRESH_SECONDS}


@dataclass(frozen=True, kw_only=True)
class OAuthClient:
    """A consumer. It acts as *uid* with its own credentials; a user's consent is not asked for."""

    id: str = "gw"
    secret: str = field(default="gw-secret-1", repr=False)
    uid: int = 2
    redirect_uri: str = "http://127.0.0.1:9999/cb"
    scopes: frozenset[str] = frozenset({"basic", "openid"})


@dataclass(frozen=True, kw_only=True)
class Token:
    """A code, an access token or a refresh token; *family* is what they share that one authorization led to."""

    value: str = field(repr=False)
    use: Use
    uid: int
    client: str
    scopes: tuple[str, ...]
    expires: float
    family: str
    is_revoked: bool = False


class Tokens:
    """Everything that was handed out, also what is no longer valid."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._issued: dict[str, Token] = {}
        self._key = secrets.token_bytes(32)

    def issue(self, use: Use, *, uid: int, client: str, scopes: tuple[str, ...], family: str = "") -> Token:
        """Hand out a code or a token."""
        expires = self._now() + LIFETIMES[use]
        claims = {"aud": client, "jti": secrets.token_hex(40), "exp": expires, "scope": scopes, "sub": str(uid)}
        value = self.signed(claims) if use == "access" else secrets.token_hex(300)
        token = Token(
            value=value,
            use=use,
            uid=uid,
            client=client,
            scopes=scopes,
            expires=expires,
            family=family or secrets.token_hex(8),
        )
        self._issued[value] = token
        return token

    def find(self, value: str, use: Use) -> Token | None:
        """Return what was handed out as *value*, valid or not."""
        token = self._issued.get(value)
        return token if token is not None and token.use == use else None

    def is_valid(self, token: Token) -> bool:
        return not self._issued[token.value].is_revoked and token.expires > self._now()

    def revoke(self, token: Token) -> None:
        self._issued[token.value] = replace(token, is_revoked=True)

    def revoke_family(self, family: str) -> None:
        """Revoke the access and refresh tokens of one authorization."""
        for token in [token for token in self._issued.values() if token.family == family]:
            self.revoke(token)

    def signed(self, claims: Mapping[str, object]) -> str:
        """Return *claims* as a JWT. Unlike simple_oauth's, it is signed with a secret key."""
        head = {"typ": "JWT", "alg": "HS256"}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
        return f"{signed}.{_encoded(hmac.digest(self._key, signed.encode(), 'sha256'))}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")
