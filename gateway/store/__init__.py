"""What the gateway keeps between requests: one backend, opened from its options.

A backend gives five parts, whose promises stand in `gateway.interfaces`:

| part | keeps | under | sealed for |
|---|---|---|---|
| `transactions` | logins that wait for their code | a digest of the client's id | `transaction` |
| `parked` | Drupal's credentials until hand-over | the transaction's key | `parked` |
| `outbox` | messages to be sent, and their outcome | the message's id | `outbox` |
| `counters` | when something counted happened | an HMAC of what is counted | not sealed: times only |
| `enrolments` | authenticators, recovery codes, devices | the uid | `enrolment` |

On its way into Redis a value goes through `codec` (to versioned JSON) and `sealing` (AES-256-GCM, for the name that it
is stored under). The memory store keeps the values themselves: nothing leaves its process. `redis/__init__` lists every
key. Both stores pass the same tests, one class per part: tests/contracts/*_contract.py.

A store is one folder here and one member of the union below.
"""

from typing import Annotated

from pydantic import Field

from gateway.store.codec import decode_grant, encode_grant
from gateway.store.memory import MemoryOptions
from gateway.store.redis import RedisOptions

StoreOptions = Annotated[MemoryOptions | RedisOptions, Field(discriminator="kind")]

__all__ = [
    "MemoryOptions",
    "RedisOptions",
    "StoreOptions",
    "decode_grant",
    "encode_grant",
]
