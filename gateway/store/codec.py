"""Seals what a store keeps, and writes values as bytes and back.

A sealed value is a key's id, a nonce and AES-256-GCM over the bytes, with the
whole name it is stored under as associated data: what is moved to another name
does not open. Values are versioned JSON, never pickle: whoever can write to the
store must not be able to run code.
"""

import binascii
import hmac
import json
import os
import re
import zlib
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.account import Device, DrupalSession, Enrolment
from gateway.interfaces import Message
from gateway.transaction import State, Transaction

Purpose = Literal["transaction", "parked", "outbox", "enrolment"]
Value = TypeVar("Value")

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class Unsealable(Exception):
    """What is kept under this name was not sealed by one of our keys for this name, or is of another version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SealKey:
    """One seal key; *id* stands in front of everything it sealed, so that keys can be changed without loss."""

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
        """A key that was never used before."""
        return cls(id=id, secret=os.urandom(_KEY_BYTES))


def parse_secret(text: str) -> bytes:
    """Read base64 of exactly 32 bytes. Raises ValueError, which does not repeat the text."""
    try:
        secret = b64decode(text.strip(), validate=True)
    except ValueError:
        # `from None`: binascii's own words may show a part of the text.
        raise ValueError("a key is base64 of 32 bytes, and this is not base64") from None
    if len(secret) != _KEY_BYTES:
        raise ValueError("a key is base64 of 32 bytes, and this has another length")
    return secret


class Sealer:
    """Seals with the first key, opens with any; *index_key* names what must be found again and does not rotate.

    Nonces are random: NIST SP 800-38D §8.3 allows 2^32 of them under one key, so a site of a million logins a minute
    changes its seal key daily, and one of a hundred a minute every few years.
    """

    def __init__(self, keys: Sequence[SealKey], index_key: bytes) -> None:
        if not keys:
            raise ValueError("sealing needs at least one key")
        if len({key.id for key in keys}) != len(keys):
            raise ValueError("two seal keys have the same id")
        self._index_key = index_key
        self._front = _front(keys[0])
        # Derived once: HKDF costs more than a login's whole sealing.
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

    def index(self, *parts: str) -> str:
        """A name that only this gateway can compute: 128 bits of HMAC-SHA256 under the index key."""
        # With their lengths, or ("ab", "c") would be found as ("a", "bc").
        text = "".join([f"{len(part)}:{part}" for part in parts])
        digest = hmac.digest(self._index_key, text.encode("utf-8", "surrogatepass"), "sha256")
        return urlsafe_b64encode(digest[:16])[:22].decode()


def _front(key: SealKey) -> bytes:
    return bytes([len(key.id)]) + key.id.encode()


def _derive(secret: bytes, purpose: Purpose) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=f"headgate {purpose}".encode()).derive(secret)


# Built once: `json.dumps` with options of its own builds a new encoder at each call.
_to_json: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode
_from_json: Final = json.JSONDecoder().decode


# What stands in most transactions and sessions, the most usual last: it more than halves what a pending login weighs,
# for 13 µs (measured). It is part of the format: another text here is another version of the values. Messages are not
# packed: there, text of an attacker's choice (his browser's name) stands beside an address, and the length would tell
# how much they have in common.
_USUAL: Final = (
    rb'"timezone\":[{\"value\":\"Europe/"field_phone\":[{\"value\":\"+"preferred_langcode\":[{\"value\":\"en\"}]}"'
    rb'"uuid\":[{\"value\":\"-4\"}],"roles\":[{\"target_id\":\"editor\"}],"{\"uid\":[{\"value\":2}],\"name\":[{\"value\":\"'
    rb'\"}],\"mail\":[{\"value\":\"@example.com\"}],.org["authenticated","content_editor"]]"'
    rb"; secure; HttpOnly; SameSite=Lax; expires=Wed, 17 Dec 2026 00:00:00 GMT"
    rb"; Max-Age=2000000; path=/; domain=.SSESSSESS=%2C"
    rb'[1,0,"web","EMAIL",["EMAIL","SMS"],null,"en","de","{}",17.5,3,[""],"open",0.0]'
)
_WINDOW: Final = -11  # raw deflate over 2 KiB: zlib's usual 32 KiB would take longer to set up than to use


def _dump(fields: list[object]) -> bytes:
    # A lone surrogate is valid in JSON and may come from a client; it must not make a login fail here.
    return _to_json(fields).encode("utf-8", "surrogatepass")


def _load(plain: bytes, build: Callable[[list[Any]], Value]) -> Value:
    try:
        return build(_from_json(plain.decode("utf-8", "surrogatepass")))
    except (ValueError, TypeError):
        raise Unsealable from None


def _pack(plain: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, _WINDOW, 1, zlib.Z_DEFAULT_STRATEGY, _USUAL)
    return packer.compress(plain) + packer.flush()


def _unpack(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(_WINDOW, _USUAL)
    try:
        # Without an end there would be a part of a value.
        plain = unpacker.decompress(packed)
    except zlib.error:
        raise Unsealable from None
    if not unpacker.eof:
        raise Unsealable
    return plain


def _demand_version(found: object, ours: int) -> None:
    if found != ours:
        raise Unsealable


def _text(secret: bytes | None) -> str | None:
    return None if secret is None else binascii.b2a_base64(secret, newline=False).decode()


def encode_transaction(value: Transaction) -> bytes:
    """Write *value* as a list of its fields; the first item is the version of that list."""
    return _pack(
        _dump(
            [
                2,
                value.version,
                value.uid,
                value.client,
                value.username,
                value.auth_type,
                value.methods,
                _text(value.secret),
                value.mail,
                value.phone,
                value.language,
                value.profile,
                value.opened_at,
                value.expires_at,
                value.attempts_left,
                value.resends_left,
                value.resend_at,
                value.messages,
                value.state,
                value.closed_at,
                value.familiar,
            ]
        )
    )


def decode_transaction(packed: bytes) -> Transaction:
    """Read what `encode_transaction` wrote. Raises Unsealable."""
    return _load(_unpack(packed), _transaction)


def _transaction(fields: list[Any]) -> Transaction:
    if fields[:1] == [1]:
        # Before networks were familiar; written by a process that this one replaces.
        fields = [2, *fields[1:], False]
    (
        schema,
        version,
        uid,
        client,
        username,
        auth_type,
        methods,
        secret,
        mail,
        phone,
        language,
        profile,
        opened_at,
        expires_at,
        attempts_left,
        resends_left,
        resend_at,
        messages,
        state,
        closed_at,
        familiar,
    ) = fields
    _demand_version(schema, 2)
    return Transaction(
        version=version,
        uid=uid,
        client=client,
        username=username,
        auth_type=auth_type,
        methods=tuple(methods),
        secret=binascii.a2b_base64(secret),
        mail=mail,
        phone=phone,
        language=language,
        profile=profile,
        opened_at=opened_at,
        expires_at=expires_at,
        attempts_left=attempts_left,
        resends_left=resends_left,
        resend_at=resend_at,
        messages=tuple(messages),
        familiar=familiar,
        state=State(state),
        closed_at=closed_at,
    )


def encode_session(value: DrupalSession) -> bytes:
    """Write *value* as a list of its fields."""
    return _pack(
        _dump(
            [
                1,
                value.uid,
                value.cookie_name,
                value.cookie_value,
                value.set_cookie,
                value.csrf_token,
                value.logout_token,
                value.name,
                value.roles,
            ]
        )
    )


def decode_session(packed: bytes) -> DrupalSession:
    """Read what `encode_session` wrote. Raises Unsealable."""
    return _load(_unpack(packed), _session)


def _session(fields: list[Any]) -> DrupalSession:
    schema, uid, cookie_name, cookie_value, set_cookie, csrf_token, logout_token, name, roles = fields
    _demand_version(schema, 1)
    return DrupalSession(
        uid=uid,
        cookie_name=cookie_name,
        cookie_value=cookie_value,
        set_cookie=set_cookie,
        csrf_token=csrf_token,
        logout_token=logout_token,
        name=name,
        roles=tuple(roles),
    )


def encode_message(value: Message) -> bytes:
    """Write *value* as a list of its fields."""
    return _dump(
        [
            1,
            value.id,
            value.subject,
            value.transaction,
            value.channel,
            value.to,
            value.language,
            value.username,
            value.browser,
            value.asked_at,
            value.deadline,
        ]
    )


def decode_message(plain: bytes) -> Message:
    """Read what `encode_message` wrote. Raises Unsealable."""
    return _load(plain, _message)


def _message(fields: list[Any]) -> Message:
    schema, message_id, subject, transaction, channel, to, language, username, browser, asked_at, deadline = fields
    _demand_version(schema, 1)
    return Message(
        id=message_id,
        subject=subject,
        transaction=transaction,
        channel=channel,
        to=to,
        language=language,
        username=username,
        browser=browser,
        asked_at=asked_at,
        deadline=deadline,
    )


def encode_enrolment(value: Enrolment) -> bytes:
    """Write *value* as a list of its fields."""
    devices = [
        [_text(device.digest), device.client, device.expires_at, [_text(one) for one in device.replaced]]
        for device in value.devices
    ]
    return _dump(
        [2, value.version, value.uid, _text(value.totp_secret), value.last_step, value.recovery_hashes, devices]
    )


def decode_enrolment(plain: bytes) -> Enrolment:
    """Read what `encode_enrolment` wrote. Raises Unsealable."""
    return _load(plain, _enrolment)


def _enrolment(fields: list[Any]) -> Enrolment:
    schema, *rest = fields
    if schema == 1:
        # Data outlives a release: before there were devices, the list was shorter by them.
        schema, rest = 2, [*rest, []]
    _demand_version(schema, 2)
    version, uid, totp_secret, last_step, recovery_hashes, devices = rest
    return Enrolment(
        version=version,
        uid=uid,
        totp_secret=None if totp_secret is None else binascii.a2b_base64(totp_secret),
        last_step=last_step,
        recovery_hashes=tuple(recovery_hashes),
        devices=tuple(_device(*device) for device in devices),
    )


def _device(digest: str, client: str, expires_at: float, replaced: list[str]) -> Device:
    return Device(
        digest=binascii.a2b_base64(digest),
        client=client,
        expires_at=expires_at,
        replaced=tuple(binascii.a2b_base64(one) for one in replaced),
    )
