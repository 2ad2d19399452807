"""Writes values as bytes and reads them back: versioned JSON, never pickle.

An attacker who can write to the store must not be able to run code. So a value is written as a list of plain items: its
version, then its fields in the order of its table below. To add a field, append it to the table, raise the version, and
let `older` add it to values of the version before.
"""

import binascii
import json
import zlib
from collections.abc import Callable, Mapping
from operator import attrgetter
from sys import intern
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from gateway.account import Credential, Device, DrupalSession, Enrolment, Grant, Profile
from gateway.interfaces import Message
from gateway.sealing import Unsealable
from gateway.transaction import State, Transaction

Value = TypeVar("Value")
# The items of a list that was read from JSON.
Items: TypeAlias = list[Any]

# Built once: `json.dumps` with options of its own builds a new encoder at each call.
_to_json: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode
_scan: Final = json.JSONDecoder().raw_decode


def _from_json(text: str) -> Any:
    # `JSONDecoder.decode` takes 0.5 µs more, to look for white space at both ends.
    value, end = _scan(text)
    if end != len(text):
        raise Unsealable
    return value


class _Form(NamedTuple):
    """How to write and read a field whose type JSON lacks. If *write* is None, JSON writes the field as it is."""

    write: Callable[[Any], object] | None
    read: Callable[[Any], object]


class _Table(Generic[Value]):
    """The fields of one *kind* of value, in the order in which they are written.

    *older* turns the items of a version into those of the next version.
    """

    def __init__(
        self,
        kind: Callable[..., Value],
        *,
        version: int,
        fields: str,
        forms: Mapping[str, _Form],
        older: Mapping[int, Callable[[Items], Items]] | None = None,
    ) -> None:
        self.kind = kind
        self.version = version
        # The names are interned, so that the constructor finds its arguments by identity. This saves 2 µs for a
        # transaction.
        self._names = [intern(name) for name in fields.split()]
        self._fields: Callable[[Value], tuple[object, ...]] = attrgetter(*self._names)
        self._write = [(1 + self._names.index(name), form.write) for name, form in forms.items() if form.write]
        self._read = [(name, form.read) for name, form in forms.items()]
        self.older = older or {}

    def items(self, value: Value) -> list[object]:
        """The version of *value*, and its fields as JSON can write them."""
        items = [self.version, *self._fields(value)]
        for index, write in self._write:
            items[index] = write(items[index])
        return items

    def value(self, items: Items) -> Value:
        """The value that *items* were written from."""
        version = items.pop(0)
        while version in self.older:
            items = self.older[version](items)
            version += 1
        if version != self.version:
            raise Unsealable
        fields = dict(zip(self._names, items, strict=True))
        for name, read in self._read:
            fields[name] = read(fields[name])
        return self.kind(**fields)


class _Union(Generic[Value]):
    """Values of several kinds. Each version belongs to one kind, so the version says which kind was written."""

    def __init__(self, *tables: _Table[Any]) -> None:
        self._by_kind = {table.kind: table for table in tables}
        self._by_version = {version: table for table in tables for version in (*table.older, table.version)}

    def items(self, value: Value) -> list[object]:
        return self._by_kind[type(value)].items(value)

    def value(self, items: Items) -> Value:
        value: Value = self._by_version[items[0]].value(items)
        return value


class _Codec(Generic[Value]):
    """Turns a value into bytes and back."""

    def __init__(self, layout: _Table[Value] | _Union[Value]) -> None:
        self._layout = layout

    def encode(self, value: Value) -> bytes:
        # A lone surrogate is valid in JSON and may come from a client; it must not make a login fail here.
        return _to_json(self._layout.items(value)).encode("utf-8", "surrogatepass")

    def decode(self, written: bytes) -> Value:
        """Read what `encode` wrote, in this release or an older one. Raises Unsealable."""
        try:
            items = _from_json(written.decode("utf-8", "surrogatepass"))
            if isinstance(items, list):
                return self._layout.value(items)
        except (ValueError, TypeError, LookupError, RecursionError):
            pass
        raise Unsealable

    def pair(self) -> tuple[Callable[[Value], bytes], Callable[[bytes], Value]]:
        return self.encode, self.decode


class _PackedCodec(_Codec[Value]):
    """Compresses the bytes as well.

    Messages are not compressed. They hold an address beside text that an attacker chooses (the name of a browser), and
    the compressed length would tell how much the two have in common.
    """

    def encode(self, value: Value) -> bytes:
        return _pack(super().encode(value))

    def decode(self, written: bytes) -> Value:
        return super().decode(_unpack(written))


# What stands in most transactions and credentials, the most frequent last. It more than halves the size of a pending
# login, for 13 µs (measured). It belongs to the format: with another text here, nothing that is stored can be read.
_DICTIONARY: Final = (
    rb'"timezone\":[{\"value\":\"Europe/"field_phone\":[{\"value\":\"+"preferred_langcode\":[{\"value\":\"en\"}]}"'
    rb'"uuid\":[{\"value\":\"-4\"}],"roles\":[{\"target_id\":\"editor\"}],"{\"uid\":[{\"value\":2}],\"name\":[{\"value\":\"'
    rb'\"}],\"mail\":[{\"value\":\"@example.com\"}],.org["authenticated","content_editor"]]"'
    rb"; secure; HttpOnly; SameSite=Lax; expires=Wed, 17 Dec 2026 00:00:00 GMT"
    rb"; Max-Age=2000000; path=/; domain=.SSESSSESS=%2C"
    rb'[1,0,"web","EMAIL",["EMAIL","SMS"],null,"en","de","{}",17.5,3,[""],"open",0.0]'
)
_WINDOW: Final = -11  # raw deflate over 2 KiB: zlib's usual 32 KiB would take longer to set up than to use


def _pack(plain: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, _WINDOW, 1, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
    return packer.compress(plain) + packer.flush()


def _unpack(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(_WINDOW, _DICTIONARY)
    try:
        plain = unpacker.decompress(packed)
    except zlib.error:
        raise Unsealable from None
    # Without its end, this is only a part of a value.
    if not unpacker.eof:
        raise Unsealable
    return plain


def _text(secret: bytes) -> str:
    return binascii.b2a_base64(secret, newline=False).decode()


def _text_or_none(secret: bytes | None) -> str | None:
    return None if secret is None else _text(secret)


def _bytes_or_none(text: str | None) -> bytes | None:
    return None if text is None else binascii.a2b_base64(text)


def _profile_text(profile: Profile) -> str:
    # A closed transaction has no profile. Not to call the encoder for it saves 1 µs.
    return _to_json(profile) if profile else "{}"


def _profile(text: str) -> Profile:
    profile = _from_json(text)
    if not isinstance(profile, dict):
        raise Unsealable
    return profile


def _device_items(devices: tuple[Device, ...]) -> list[Items]:
    return [
        [_text(device.name), _text(device.digest), device.client, device.expires_at, _text_or_none(device.before)]
        for device in devices
    ]


def _devices(several: list[Items]) -> tuple[Device, ...]:
    return tuple(
        Device(
            name=binascii.a2b_base64(name),
            digest=binascii.a2b_base64(digest),
            client=client,
            expires_at=expires_at,
            before=_bytes_or_none(before),
        )
        for name, digest, client, expires_at, before in several
    )


_TUPLE: Final = _Form(write=None, read=tuple)
_BYTES: Final = _Form(write=_text, read=binascii.a2b_base64)
_BYTES_OR_NONE: Final = _Form(write=_text_or_none, read=_bytes_or_none)
# A profile is JSON text within the JSON text: the dictionary was chosen for that, and older releases expect it.
_PROFILE: Final = _Form(write=_profile_text, read=_profile)

_TRANSACTION: Final = _Table(
    Transaction,
    version=2,
    fields="version uid client username auth_type methods secret mail phone language profile opened_at expires_at "
    "attempts_left resends_left resend_at messages state closed_at known_network",
    forms={
        "methods": _TUPLE,
        "secret": _BYTES,
        "profile": _PROFILE,
        "messages": _TUPLE,
        "state": _Form(write=None, read=State),
    },
    # Version 1 knew no networks.
    older={1: lambda items: [*items, False]},
)

_SESSION: Final = _Table(
    DrupalSession,
    version=1,
    fields="uid cookie_name cookie_value set_cookie csrf_token logout_token name roles",
    forms={"roles": _TUPLE},
)
# Each kind of credential is one table here, with versions of its own: those of a second kind begin at 101.
_CREDENTIAL: Final = _Union[Credential](_SESSION)

_MESSAGE: Final = _Table(
    Message,
    version=3,
    fields="id subject transaction channel to language username browser asked_at deadline known_network uid",
    forms={},
    # Version 1 knew no networks, version 2 no account.
    older={1: lambda items: [*items, False], 2: lambda items: [*items, ""]},
)

_ENROLMENT: Final = _Table(
    Enrolment,
    version=4,
    fields="version uid totp_secret last_step recovery_hashes devices pending pending_until revoked_at",
    forms={
        "totp_secret": _BYTES_OR_NONE,
        "recovery_hashes": _TUPLE,
        "devices": _Form(write=_device_items, read=_devices),
        "pending": _BYTES_OR_NONE,
    },
    # Enrolments outlive releases, so every version is read.
    older={
        # Version 1 knew no devices, version 2 neither a pending secret nor a revocation.
        1: lambda items: [*items, []],
        2: lambda items: [*items, None, 0.0, 0.0],
        # The devices of version 3 had no name. So these devices are forgotten, and their users need a code again.
        3: lambda items: [*items[:5], [], *items[6:]],
    },
)

_GRANT: Final = _Table(
    Grant,
    version=2,
    fields="uid username mail language at method",
    forms={},
    # Version 1 knew no method. So its grants do not prove an enrolled factor.
    older={1: lambda items: [*items, ""]},
)

encode_transaction, decode_transaction = _PackedCodec(_TRANSACTION).pair()
encode_credential, decode_credential = _PackedCodec(_CREDENTIAL).pair()
encode_message, decode_message = _Codec(_MESSAGE).pair()
encode_enrolment, decode_enrolment = _Codec(_ENROLMENT).pair()
encode_grant, decode_grant = _Codec(_GRANT).pair()
