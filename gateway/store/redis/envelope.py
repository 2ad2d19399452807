"""What Redis keeps under one name: a sealed value. Values that are swapped have their version in front."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final, Generic, Protocol, TypeVar

import structlog

from gateway.sealing import Purpose, Sealer, Unsealable

log: structlog.stdlib.BoundLogger = structlog.get_logger()

Value = TypeVar("Value")


class Versioned(Protocol):
    """A value that counts its changes."""

    @property
    def version(self) -> int: ...


Counted = TypeVar("Counted", bound=Versioned)

_FRONT: Final = 8  # hex digits of the version


class Envelope(Generic[Value]):
    """Seals and opens the values of one purpose."""

    def __init__(
        self, sealer: Sealer, purpose: Purpose, *, encode: Callable[[Value], bytes], decode: Callable[[bytes], Value]
    ) -> None:
        self._sealer = sealer
        self._purpose: Purpose = purpose
        self._encode = encode
        self._decode = decode

    def seal(self, name: str, value: Value) -> bytes:
        """The bytes to keep under *name*."""
        return self._sealer.seal(self._purpose, name, self._encode(value))

    def open(self, name: str, kept: bytes) -> Value | None:
        """The value kept under *name*. If it does not open, this is logged and None returned."""
        with suppress(Unsealable):
            return self._decode(self._sealer.open(self._purpose, name, kept))
        log.error("store.unsealable", purpose=self._purpose)
        return None

    def is_by_first(self, kept: bytes) -> bool:
        """Whether the first key sealed what is *kept*."""
        return self._sealer.is_by_first(kept)


class VersionedEnvelope(Envelope[Counted]):
    """Puts the version in front, in clear, so that Redis can compare it."""

    def seal(self, name: str, value: Counted) -> bytes:
        return front(value) + super().seal(name, value)

    def open(self, name: str, kept: bytes) -> Counted | None:
        value = super().open(name, kept[_FRONT:])
        # Only the version inside is sealed. Without this check, an attacker could have an old value swapped in.
        if value is not None and front(value) != kept[:_FRONT]:
            log.error("store.unsealable", purpose=self._purpose)
            return None
        return value

    def is_by_first(self, kept: bytes) -> bool:
        return super().is_by_first(kept[_FRONT:])


def front(value: Versioned | None) -> bytes:
    """The version as it stands in front of *value*; empty for no value."""
    return b"%08x" % value.version if value is not None else b""
