"""Signs requests to an operator's own services, so that they can verify the sender (Standard Webhooks 1.0)."""

import base64
import hashlib
import hmac

PREFIX = "whsec_"


def signed(body: bytes, *, id: str, at: int, key: bytes) -> dict[str, str]:
    """Return the headers of one message, with an HMAC-SHA256 over id, time and body."""
    signature = hmac.digest(key, f"{id}.{at}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def signing_key(text: str) -> bytes:
    """Return the bytes of a key that is written as `whsec_…`. Raises ValueError."""
    if not text.startswith(PREFIX):
        raise ValueError("not a webhook secret")
    return base64.b64decode(text.removeprefix(PREFIX), validate=True)
