"""Forgets what was handed over, however long the store is away, or the reaper would end a session that is in use."""

import asyncio
import contextlib

import structlog

from gateway.errors import StoreUnavailable
from gateway.interfaces import Parked

log = structlog.get_logger()

AGAIN_SECONDS = (0.1, 0.5, 2, 5, 10, 20)


async def forget(parked: Parked, key: str, *, uid: str) -> bool:
    """Whether it could be removed. Takes up to a minute, so no connection should wait for it."""
    removed = False
    try:
        removed = await _removed(parked, key)
    finally:
        # Also for who is given up while he waits.
        if not removed:
            log.error("login.not_removed", uid=uid)
    return removed


async def _removed(parked: Parked, key: str) -> bool:
    for wait in (0, *AGAIN_SECONDS):
        await asyncio.sleep(wait)
        with contextlib.suppress(StoreUnavailable):
            await parked.remove(key)
            return True
    return False
