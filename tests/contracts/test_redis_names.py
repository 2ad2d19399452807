"""Names in Redis: which accounts they stand for, and how long that is kept."""

import pytest
import redis

from gateway.sealing import Sealer
from tests.contracts.stores import INDEX_KEY, SEALER, SealKey, redis_options

NAME = "alice"


@pytest.fixture
async def names(redis_server):
    async with redis_options(redis_server).open(SEALER) as backend:
        yield backend.names


@pytest.fixture
def raw(redis_server):
    """The same server, seen by itself."""
    with redis.Redis.from_url(redis_server.url) as raw:
        yield raw


@pytest.fixture
def expiries(raw):
    """The seconds that each name is kept; -1: without a limit."""
    return lambda: [raw.ttl(key) for key in raw.keys("headgate:name:*")]


async def test_a_name_stands_for_every_account_that_was_kept_under_it(names):
    await names.keep(NAME, "7", seconds=60)
    await names.keep(NAME, "2", seconds=60)
    await names.keep(NAME, "2", seconds=60)

    assert await names.uids(NAME) == ["2", "7"]
    assert await names.uids("bob") == []


async def test_a_name_is_kept_for_the_longest_time_that_was_asked_for(names, expiries):
    await names.keep(NAME, "2", seconds=60)
    await names.keep(NAME, "2", seconds=600)
    await names.keep(NAME, "2", seconds=60)
    assert expiries()[0] in range(590, 601)

    await names.keep(NAME, "2", seconds=None)
    await names.keep(NAME, "2", seconds=60)
    assert expiries() == [-1]


async def test_no_name_can_be_read_in_redis(names, raw):
    await names.keep(NAME, "2", seconds=60)

    assert NAME.encode() not in b"".join(raw.keys("*"))


async def test_an_account_that_was_written_by_somebody_without_the_key_does_not_count(names, raw):
    await names.keep(NAME, "2", seconds=60)
    await names.keep("bob", "3", seconds=60)
    for key in raw.keys("headgate:name:*"):
        raw.hset(
            key,
            mapping={"9": "made-up", b"\xff": b"\xff"} | {uid: raw.hget(key, uid) or b"copied" for uid in ("2", "3")},
        )

    assert await names.uids(NAME) == ["2"]


async def test_a_name_outlives_a_change_of_the_seal_keys(names, redis_server):
    await names.keep(NAME, "2", seconds=None)

    rotated = Sealer([SealKey.fresh("next")], INDEX_KEY)
    async with redis_options(redis_server).open(rotated) as backend:
        assert await backend.names.uids(NAME) == ["2"]
