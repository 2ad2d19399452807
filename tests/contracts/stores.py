"""What the contracts of the stores share: two ways to one store, and plain values to keep in it.

A race needs both ways open before it starts, or whoever connects first simply wins.
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from gateway.account import DrupalSession
from gateway.interfaces import Backend, Message
from gateway.sealing import Sealer, SealKey
from gateway.store import MemoryOptions, RedisOptions
from gateway.transaction import Transaction
from tests.redis_server import RedisServer

INDEX_KEY = bytes(32)
OLD, NEW = SealKey.fresh("old"), SealKey.fresh("new")
SEALER = Sealer([NEW, OLD], INDEX_KEY)

OUTBOX_MOST = 5
CLAIM_SECONDS = 0.3


class OnMemory:
    """The memory store has one way in; two are the same."""

    @pytest.fixture
    async def backends(self) -> AsyncIterator[tuple[Backend, Backend]]:
        options = MemoryOptions(outbox_most=OUTBOX_MOST, claim_seconds=CLAIM_SECONDS)
        async with options.open(SEALER) as backend:
            yield backend, backend


class OnRedis:
    """Two clients of one real server, both connected."""

    @pytest.fixture
    async def backends(self, redis_server: RedisServer) -> AsyncIterator[tuple[Backend, Backend]]:
        options = redis_options(redis_server)
        async with AsyncExitStack() as stack:
            one, other = [await stack.enter_async_context(options.open(SEALER)) for _ in range(2)]
            await one.ping()
            await other.ping()
            yield one, other


def redis_options(server: RedisServer, **options) -> RedisOptions:
    return RedisOptions(url=server.url, **{"outbox_most": OUTBOX_MOST, "claim_seconds": CLAIM_SECONDS} | options)


def a_transaction(**fields) -> Transaction:
    now = time.time()
    transaction = Transaction(
        uid="17",
        client="web",
        username="alice",
        auth_type="EMAIL",
        methods=("EMAIL", "SMS"),
        secret=b"\x00\xff" + os.urandom(18),
        mail="alice@example.org",
        phone="+41791234567",
        profile={"name": [{"value": "alice"}]},
        opened_at=now,
        expires_at=now + 300,
        attempts_left=5,
        resends_left=3,
        resend_at=now + 60,
        messages=("m1",),
    )
    return replace(transaction, **fields)


def a_session(**fields) -> DrupalSession:
    session = DrupalSession(
        uid="17",
        cookie_name="SESS" + "a1" * 16,
        cookie_value="cookie-value,%2C",
        set_cookie="SESS" + "a1" * 16 + "=cookie-value,%2C; path=/; HttpOnly; SameSite=Lax",
        csrf_token="csrf-token",
        logout_token="logout-token",
        name="Alice Ålund",
        roles=("authenticated", "editor"),
    )
    return replace(session, **fields)


def a_message(id: str, **fields) -> Message:
    now = time.time()
    message = Message(
        id=id,
        uid="17",
        transaction="key",
        channel="email",
        to="alice@example.org",
        language="de",
        username="alice",
        browser="Firefox",
        asked_at=now,
        deadline=now + 300,
    )
    return replace(message, **fields)
