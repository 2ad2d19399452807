"""Signs what is posted to an operator's own services, so that they know who posts (Standard Webhooks 1.0)."""

import base64
import hashlib
import hmac
from typing import Annotated

from pydantic import AfterValidator, SecretStr

PREFIX = "whsec_"


def signed(body: bytes, *, id: str, at: int, key: bytes) -> dict[str, str]:
    """The headers of one message: HMAC-SHA256 over id, time and body."""
    signature = hmac.digest(key, f"{id}.{at}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def key_of(secret: SecretStr) -> bytes:
    """The key's bytes. Raises ValueError."""
    text = secret.get_secret_value()
    if not text.startswith(PREFIX):
        raise ValueError("not a webhook secret")
    return base64.b64decode(text.removeprefix(PREFIX), validate=True)


def _usable(secret: SecretStr) -> SecretStr:
    try:
        length = len(key_of(secret))
    except ValueError:
        length = 0
    if not 24 <= length <= 64:  # noqa: PLR2004  # Standard Webhooks' own bounds
        raise ValueError("must be whsec_ and base64 of 24 to 64 bytes")
    return secret


SigningSecret = Annotated[SecretStr, AfterValidator(_usable)]
"""`whsec_` and base64 of 24 to 64 bytes, as Standard Webhooks has it."""
