"""Devices that need no code for a while, as pure rules over a user's enrolment.

A device holds a token of 256 random bits, which is replaced at each use. Who presents one that was replaced holds a
copy, or is the one who was copied: nobody can tell which, so that all devices of the user are forgotten.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from gateway.account import Device, Enrolment

# Replaced tokens that are still recognised, of each device. An older one is as good as unknown: it opens nothing.
REPLACED = 16


class Use(StrEnum):
    """What presenting a token came to."""

    UNKNOWN = "unknown"
    RENEWED = "renewed"
    REPLAYED = "replayed"


def new_token() -> str:
    """256 random bits, the only thing by which a device is known."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> bytes:
    """What is kept of a token: 128 bits of SHA-256, so that a dump brings no token back."""
    return hashlib.sha256(token.encode()).digest()[:16]


def remember(
    enrolment: Enrolment | None, *, uid: str, digest: bytes, client: str, now: float, expires_at: float, most: int
) -> Enrolment:
    """Add a device; beyond *most* the one that expires first is forgotten."""
    known = enrolment or Enrolment(uid=uid)
    added = Device(digest=digest, client=client, expires_at=expires_at)
    kept = sorted(_living(known, now), key=lambda device: device.expires_at)
    return replace(known, devices=(*kept, added)[-most:])


def present(
    enrolment: Enrolment | None, *, digest: bytes, client: str, renewed: bytes, now: float
) -> tuple[Enrolment | None, Use]:
    """What a token comes to: the device's next one is *renewed*, and it lives no longer than the first did."""
    if enrolment is None:
        return None, Use.UNKNOWN
    ours = [device for device in _living(enrolment, now) if device.client == client]
    if any(_among(digest, device.replaced) for device in ours):
        return forget(enrolment), Use.REPLAYED
    held = next((device for device in ours if hmac.compare_digest(device.digest, digest)), None)
    if held is None:
        return enrolment, Use.UNKNOWN
    after = replace(held, digest=renewed, replaced=(held.digest, *held.replaced)[:REPLACED])
    return _swapped(enrolment, held, after), Use.RENEWED


def give_back(enrolment: Enrolment | None, *, renewed: bytes) -> Enrolment | None:
    """The answer with the token *renewed* never left, so the device still holds the one before."""
    devices = enrolment.devices if enrolment else ()
    held = next((device for device in devices if hmac.compare_digest(device.digest, renewed)), None)
    if enrolment is None or held is None or not held.replaced:
        return enrolment
    return _swapped(enrolment, held, replace(held, digest=held.replaced[0], replaced=held.replaced[1:]))


def forget(enrolment: Enrolment | None) -> Enrolment | None:
    """Forget all devices; what then holds nothing at all is no enrolment."""
    if enrolment is None or not enrolment.devices:
        return enrolment
    bare = replace(enrolment, devices=())
    return None if bare == Enrolment(uid=bare.uid, version=bare.version) else bare


def _living(enrolment: Enrolment, now: float) -> Iterable[Device]:
    return (device for device in enrolment.devices if device.expires_at > now)


def _swapped(enrolment: Enrolment, old: Device, new: Device) -> Enrolment:
    return replace(enrolment, devices=tuple(new if device is old else device for device in enrolment.devices))


def _among(digest: bytes, digests: Iterable[bytes]) -> bool:
    return any(hmac.compare_digest(digest, one) for one in digests)
