"""Seals what a store keeps.

A sealed value is the id of a key, a nonce, and AES-256-GCM over the bytes. The whole name that it is stored under is
the associated data, so that a value that was moved to another name does not open.
"""

import hmac
import os
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Purpose = Literal["transaction", "parked", "outbox", "enrolment", "manage", "session", "challenge"]

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class Unsealable(Exception):
    """The value was not sealed by one of our keys for this name, or its version is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SealKey:
    """One seal key. Its *id* stands in front of everything that it sealed, so that keys can be changed without loss."""

    id: str
    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "SealKey":
        """Read `id:base64 of 32 bytes`. Raises ValueError, which does not repeat the text."""
        key_id, _, secret = text.strip().partition(":")
        if not _KEY_ID.fullmatch(key_id):
            raise ValueError("a seal key is 'id:base64', its id made of 1 to 32 letters, digits and _.-")
        return cls(id=key_id, secret=parse_secret(secret))

    @classmethod
    def fresh(cls, id: str) -> "SealKey":
        """Make a new key."""
        return cls(id=id, secret=os.urandom(_KEY_BYTES))


def parse_secret(text: str) -> bytes:
    """Read base64 of exactly 32 bytes. Raises ValueError, which does not repeat the text."""
    try:
        secret = b64decode(text.strip(), validate=True)
    except ValueError:
        # `from None`: the message of binascii may show a part of the text.
        raise ValueError("a key is base64 of 32 bytes, and this is not base64") from None
    if len(secret) != _KEY_BYTES:
        raise ValueError("a key is base64 of 32 bytes, and this has another length")
    return secret


class Sealer:
    """Seals with the first key and opens with any.

    `index` makes names with *index_key*. This key never changes: what is stored under such a name must be found again.

    Nonces are random, and NIST SP 800-38D §8.3 allows 2^32 of them under one key. So a site with a million logins a
    minute changes its seal key daily, and one with a hundred a minute every few years.
    """

    def __init__(self, keys: Sequence[SealKey], index_key: bytes) -> None:
        if not keys:
            raise ValueError("sealing needs at least one key")
        if len({key.id for key in keys}) != len(keys):
            raise ValueError("two seal keys have the same id")
        self._index_key = index_key
        self._front = _front(keys[0])
        # The ciphers are derived once: HKDF takes longer than all the sealing of a login.
        self._ciphers: dict[tuple[Purpose, bytes], AESGCM] = {
            (purpose, _front(key)): AESGCM(_derive(key.secret, purpose))
            for purpose in get_args(Purpose)
            for key in keys
        }
        self._sealing = {purpose: self._ciphers[purpose, self._front] for purpose in get_args(Purpose)}

    def seal(self, purpose: Purpose, name: str, plain: bytes) -> bytes:
        """Seal *plain* for the *name* it will be stored under."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._front + nonce + self._sealing[purpose].encrypt(nonce, plain, name.encode())

    def open(self, purpose: Purpose, name: str, sealed: bytes) -> bytes:
        """Return what was sealed for *name*. Raises Unsealable."""
        split = sealed[0] + 1 if sealed else 0
        cipher = self._ciphers.get((purpose, sealed[:split]))
        if cipher is None:
            raise Unsealable
        nonce = sealed[split : split + _NONCE_BYTES]
        try:
            return cipher.decrypt(nonce, sealed[split + _NONCE_BYTES :], name.encode())
        except (InvalidTag, ValueError):
            raise Unsealable from None

    def is_by_first(self, sealed: bytes) -> bool:
        """Whether the first key made *sealed*."""
        return sealed.startswith(self._front)

    def index(self, *parts: str) -> str:
        """A name that only a gateway with the index key can compute: 128 bits of HMAC-SHA256."""
        # Each part has its length in front. Without the lengths, ("ab", "c") and ("a", "bc") would have the same name.
        text = "".join([f"{len(part)}:{part}" for part in parts])
        digest = hmac.digest(self._index_key, text.encode("utf-8", "surrogatepass"), "sha256")
        return urlsafe_b64encode(digest[:16])[:22].decode()


def _front(key: SealKey) -> bytes:
    return bytes([len(key.id)]) + key.id.encode()


def _derive(secret: bytes, purpose: Purpose) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=f"headgate {purpose}".encode()).derive(secret)
