"""What the gateway keeps between requests: one backend, opened from its options."""

from typing import Annotated

from pydantic import Field

from gateway.store.codec import decode_grant, encode_grant
from gateway.store.memory import MemoryOptions
from gateway.store.redis import RedisOptions
from gateway.store.sealing import Sealer, SealKey, Unsealable, parse_secret

StoreOptions = Annotated[MemoryOptions | RedisOptions, Field(discriminator="kind")]

__all__ = [
    "MemoryOptions",
    "RedisOptions",
    "SealKey",
    "Sealer",
    "StoreOptions",
    "Unsealable",
    "decode_grant",
    "encode_grant",
    "parse_secret",
]
