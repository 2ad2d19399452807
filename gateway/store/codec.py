"""Writes values as bytes and back: versioned JSON, never pickle.

Whoever can write to the store must not be able to run code.
"""

import binascii
import json
import zlib
from collections.abc import Callable
from typing import Any, Final, TypeVar

from gateway.account import Device, DrupalSession, Enrolment, Grant
from gateway.interfaces import Message
from gateway.store.sealing import Unsealable
from gateway.transaction import State, Transaction

Value = TypeVar("Value")

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
        fields = _from_json(plain.decode("utf-8", "surrogatepass"))
        if isinstance(fields, list):
            return build(fields)
    except (ValueError, TypeError):
        pass
    raise Unsealable


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


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else binascii.a2b_base64(text)


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
                value.known_network,
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
        known_network,
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
        known_network=known_network,
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
            2,
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
            value.known_network,
        ]
    )


def decode_message(plain: bytes) -> Message:
    """Read what `encode_message` wrote. Raises Unsealable."""
    return _load(plain, _message)


def _message(fields: list[Any]) -> Message:
    if fields[:1] == [1]:
        # Before networks were familiar, as with transactions.
        fields = [2, *fields[1:], False]
    (
        schema,
        message_id,
        subject,
        transaction,
        channel,
        to,
        language,
        username,
        browser,
        asked_at,
        deadline,
        known_network,
    ) = fields
    _demand_version(schema, 2)
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
        known_network=known_network,
    )


def encode_enrolment(value: Enrolment) -> bytes:
    """Write *value* as a list of its fields."""
    devices = [
        [_text(device.name), _text(device.digest), device.client, device.expires_at, _text(device.before)]
        for device in value.devices
    ]
    return _dump(
        [
            4,
            value.version,
            value.uid,
            _text(value.totp_secret),
            value.last_step,
            value.recovery_hashes,
            devices,
            _text(value.pending),
            value.pending_until,
            value.revoked_at,
        ]
    )


def decode_enrolment(plain: bytes) -> Enrolment:
    """Read what `encode_enrolment` wrote, also its first version: enrolments outlive releases. Raises Unsealable."""
    return _load(plain, _enrolment)


def _enrolment(fields: list[Any]) -> Enrolment:
    schema, *rest = fields
    # Data outlives a release: the list grew by devices, and then by what is pending and revoked.
    if schema == 1:
        schema, rest = 2, [*rest, []]
    if schema == 2:  # noqa: PLR2004  # the second version
        schema, rest = 3, [*rest, None, 0.0, 0.0]
    if schema == 3:  # noqa: PLR2004  # the third version
        # Its devices had no name: they are asked for a code once more.
        schema, rest = 4, [*rest[:5], [], *rest[6:]]
    _demand_version(schema, 4)
    version, uid, totp_secret, last_step, recovery_hashes, devices, pending, pending_until, revoked_at = rest
    return Enrolment(
        version=version,
        uid=uid,
        totp_secret=_bytes(totp_secret),
        last_step=last_step,
        recovery_hashes=tuple(recovery_hashes),
        devices=tuple(_device(*device) for device in devices),
        pending=_bytes(pending),
        pending_until=pending_until,
        revoked_at=revoked_at,
    )


def _device(name: str, digest: str, client: str, expires_at: float, before: str | None) -> Device:
    return Device(
        name=binascii.a2b_base64(name),
        digest=binascii.a2b_base64(digest),
        client=client,
        expires_at=expires_at,
        before=_bytes(before),
    )


def encode_grant(value: Grant) -> bytes:
    """Write *value* as a list of its fields."""
    return _dump([1, value.uid, value.username, value.mail, value.language, value.at])


def decode_grant(plain: bytes) -> Grant:
    """Read what `encode_grant` wrote. Raises Unsealable."""
    return _load(plain, _grant)


def _grant(fields: list[Any]) -> Grant:
    schema, uid, username, mail, language, at = fields
    _demand_version(schema, 1)
    return Grant(uid=uid, username=username, mail=mail, language=language, at=at)
