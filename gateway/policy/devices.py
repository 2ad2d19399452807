"""Devices that need no code for a while, as pure rules over a user's enrolment.

A device holds a token of 256 random bits. One half names the device; the other half is replaced at each use. If a
token comes with a known name and an old second half, it was copied. The copy and the original look the same, so all
devices of the user are forgotten.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.account import Device, Enrolment

_HALF_BYTES = 16


class Use(StrEnum):
    """The result of presenting a token."""

    UNKNOWN = "unknown"
    RENEWED = "renewed"
    REPLAYED = "replayed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """The *token* by which a device will be known from now on."""

    uid: str
    token: str = field(repr=False)


def new_token() -> str:
    """Return 256 random bits: the only thing by which a device is known."""
    return secrets.token_urlsafe(2 * _HALF_BYTES)


def renewed(token: str) -> str:
    """Return the next token of the device that holds *token*."""
    raw = _device_half(token) + secrets.token_bytes(_HALF_BYTES)
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def digest_of(token: str) -> bytes:
    """Return what is kept of a token: 128 bits of SHA-256, so that a dump shows no token."""
    return hashlib.sha256(token.encode()).digest()[:16]


def name_of(token: str) -> bytes:
    """Return what is kept of the half that names the device; empty if *token* does not have the form of a token."""
    half = _device_half(token)
    return hashlib.sha256(half).digest()[:16] if half else b""


def _device_half(token: str) -> bytes:
    try:
        raw = urlsafe_b64decode(token + "=")
    except ValueError:
        return b""
    # Base64 can write the same bytes in several ways. Only one of them was ever given out.
    return raw[:_HALF_BYTES] if urlsafe_b64encode(raw) == token.encode() + b"=" and len(raw) == 2 * _HALF_BYTES else b""


def remember(
    enrolment: Enrolment | None, *, uid: str, token: str, client: str, now: float, expires_at: float, most: int
) -> Enrolment:
    """Add a device. If that makes more than *most*, forget the one that expires first."""
    held = enrolment or Enrolment(uid=uid)
    added = Device(name=name_of(token), digest=digest_of(token), client=client, expires_at=expires_at)
    kept = sorted(_unexpired(held, now), key=lambda device: device.expires_at)
    return replace(held, devices=(*kept, added)[-most:])


def present(
    enrolment: Enrolment | None, *, token: str, client: str, following: str, now: float
) -> tuple[Enrolment | None, Use]:
    """Present *token*: *following* becomes the device's next token, and expires when *token* would have."""
    if enrolment is None:
        return None, Use.UNKNOWN
    name = name_of(token)
    ours = (device for device in _unexpired(enrolment, now) if device.client == client)
    held = next((device for device in ours if hmac.compare_digest(device.name, name)), None)
    if held is None:
        return enrolment, Use.UNKNOWN
    if not hmac.compare_digest(held.digest, digest_of(token)):
        return forget(enrolment), Use.REPLAYED
    after = replace(held, digest=digest_of(following), before=held.digest)
    return _swapped(enrolment, held, after), Use.RENEWED


def give_back(enrolment: Enrolment | None, *, token: str) -> Enrolment | None:
    """Restore the token before *token*: the answer with *token* was not written."""
    digest = digest_of(token)
    devices = enrolment.devices if enrolment else ()
    held = next((device for device in devices if hmac.compare_digest(device.digest, digest)), None)
    if enrolment is None or held is None or held.before is None:
        return enrolment
    return _swapped(enrolment, held, replace(held, digest=held.before, before=None))


def forget(enrolment: Enrolment | None) -> Enrolment | None:
    """Forget all devices. An enrolment that holds nothing else becomes None."""
    if enrolment is None or not enrolment.devices:
        return enrolment
    bare = replace(enrolment, devices=())
    return None if bare == Enrolment(uid=bare.uid, version=bare.version) else bare


def _unexpired(enrolment: Enrolment, now: float) -> Iterable[Device]:
    return (device for device in enrolment.devices if device.expires_at > now)


def _swapped(enrolment: Enrolment, old: Device, new: Device) -> Enrolment:
    return replace(enrolment, devices=tuple(new if device is old else device for device in enrolment.devices))
