"""The store of any number of processes: one Redis server. Every value is sealed.

| key | holds | until |
|---|---|---|
| `headgate:tx:KEY` | a transaction, its version in front | it expires; closed, 180 s longer |
| `headgate:open:UID` | the account's open transactions; `…:known`, those from known networks | the last expires |
| `headgate:parked:KEY` | a parked credential | Drupal's cookie expires |
| `headgate:deadlines` | when each parked credential is due | |
| `headgate:outbox` | stream of messages, consumer group `couriers` | |
| `headgate:word:ID` | the outcome of a message | the time that its courier gives |
| `headgate:count:KEY` | when a limit was taken | its window is over; a lock never ends |
| `headgate:name:HMAC` | the uids that a name stands for | 30 days after a wrong code; no end with an app or a device |
| `headgate:enrolment:UID` | an authenticator and recovery codes | |
| `headgate:marker` | the proof that the store has not been emptied | |
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar, Literal

from pydantic import PositiveFloat, PositiveInt, SecretStr, field_validator

from gateway.interfaces import Backend
from gateway.options import Options
from gateway.sealing import Sealer


class RedisOptions(Options):
    """One Redis: `redis://`, `rediss://` or `unix://`. *url* may hold a password, so it is never shown."""

    durable: ClassVar[bool] = True
    kind: Literal["redis"] = "redis"
    url: SecretStr
    timeout_seconds: PositiveFloat = 2.0
    outbox_most: PositiveInt = 10_000
    claim_seconds: PositiveFloat = 15

    @field_validator("url")
    @classmethod
    def _known(cls, url: SecretStr) -> SecretStr:
        from gateway.store.redis.server import connection_of

        try:
            connection_of(url.get_secret_value())
        except (TypeError, ValueError):
            # `from None`: the message of redis-py may show a part of the URL.
            raise ValueError("not a redis://, rediss:// or unix:// address that can be used") from None
        return url

    @asynccontextmanager
    async def open(self, sealer: Sealer, *, clock: Callable[[], float] = time.time) -> AsyncGenerator[Backend]:
        """Yield the store. It opens while Redis is down, too; until Redis answers, calls raise StoreUnavailable."""
        # Imported here: redis-py takes 0.2 s, which a process with the memory store need not spend.
        from gateway.store.redis.account_names import RedisNames
        from gateway.store.redis.counters import RedisCounters
        from gateway.store.redis.enrolments import RedisEnrolments
        from gateway.store.redis.outbox import RedisOutbox
        from gateway.store.redis.parked import RedisParked
        from gateway.store.redis.server import Server
        from gateway.store.redis.transactions import RedisTransactions

        server = Server(self.url.get_secret_value(), timeout_seconds=self.timeout_seconds)
        try:
            yield Backend(
                transactions=RedisTransactions(server, sealer, clock=clock),
                parked=RedisParked(server, sealer),
                outbox=RedisOutbox(
                    server, sealer, most=self.outbox_most, claim_seconds=self.claim_seconds, clock=clock
                ),
                counters=RedisCounters(server),
                enrolments=RedisEnrolments(server, sealer),
                names=RedisNames(server, sealer.index),
                ping=server.ping,
                durable=self.durable,
            )
        finally:
            await server.close()
