"""Redis stopped, hanging, restarted, emptied: an error in bounded time, and then everything as before."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from gateway.errors import StoreUnavailable
from gateway.interfaces import Backend
from gateway.limit import Limit
from gateway.store import RedisOptions
from gateway.store.redis.server import Script, Server
from gateway.store.redis.wire import MOST_ASKED
from tests.contracts.stores import SEALER, a_message, a_session, a_transaction, redis_options
from tests.redis_server import RedisServer

TIMEOUT_SECONDS = 0.3
LIMIT = Limit(name="a", key="a", most=3, seconds=60)

ASKS = {
    "ping": lambda backend: backend.ping(),
    "create": lambda backend: backend.transactions.create("new", a_transaction(), most=3, now=time.time()),
    "find": lambda backend: backend.transactions.find("key"),
    "update": lambda backend: backend.transactions.update("key", lambda old: old.end(now=1)),
    "park": lambda backend: backend.parked.park("key", a_session(), due_at=1),
    "take_for_handover": lambda backend: backend.parked.take_for_handover("key", until=1),
    "postpone": lambda backend: backend.parked.postpone("key", due_at=1),
    "claim parked": lambda backend: backend.parked.claim(now=1, lease_seconds=1, most=1),
    "remove": lambda backend: backend.parked.remove("key"),
    "put": lambda backend: backend.outbox.put(a_message("m1")),
    "claim": lambda backend: backend.outbox.claim(courier="one", most=1, wait_seconds=0),
    "keep": lambda backend: backend.outbox.keep(["1-1 m1"], courier="one"),
    "words": lambda backend: backend.outbox.words(["m1"]),
    "take": lambda backend: backend.counters.take([LIMIT], now=1),
    "check": lambda backend: backend.counters.check([LIMIT], now=1),
    "give_back": lambda backend: backend.counters.give_back([LIMIT], now=1),
    "clear": lambda backend: backend.counters.clear([LIMIT]),
    "find enrolment": lambda backend: backend.enrolments.find("17"),
    "update enrolment": lambda backend: backend.enrolments.update("17", lambda _: None),
    "initialise": lambda backend: backend.enrolments.initialise(),
    "initialised": lambda backend: backend.enrolments.initialised(),
    "uids": lambda backend: anext(backend.enrolments.uids()),
    "count_open": lambda backend: backend.transactions.count_open("17", now=1),
    "keep name": lambda backend: backend.names.keep("alice", "17", seconds=1),
    "uids of a name": lambda backend: backend.names.uids("alice"),
    "reseal": lambda backend: backend.enrolments.reseal("17"),
}


@pytest.fixture
async def backend(redis_server: RedisServer) -> AsyncIterator[Backend]:
    async with redis_options(redis_server, timeout_seconds=TIMEOUT_SECONDS).open(SEALER) as backend:
        await backend.transactions.create("key", a_transaction(), most=3, now=time.time())
        await backend.outbox.claim(courier="one", most=1, wait_seconds=0)
        yield backend
        redis_server.resume()


@pytest.fixture
async def server(redis_server: RedisServer) -> AsyncIterator[Server]:
    server = Server(redis_server.url, timeout_seconds=TIMEOUT_SECONDS)
    yield server
    await server.close()


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
async def test_a_stopped_redis_is_an_error_of_ours(backend, redis_server, ask):
    redis_server.stop()

    with pytest.raises(StoreUnavailable):
        await ask(backend)


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
async def test_a_hanging_redis_is_an_error_of_ours_in_bounded_time(backend, redis_server, ask):
    redis_server.pause()

    async with asyncio.timeout(2 * TIMEOUT_SECONDS + 0.5):
        with pytest.raises(StoreUnavailable):
            await ask(backend)


async def test_everybody_who_asks_a_hanging_redis_waits_one_time_limit(backend, redis_server):
    redis_server.pause()

    async with asyncio.timeout(4 * TIMEOUT_SECONDS + 0.5):
        for _ in range(2):  # first on the old connection, then for a new one
            answers = await asyncio.gather(*[backend.ping() for _ in range(200)], return_exceptions=True)
            assert {type(answer) for answer in answers} == {StoreUnavailable}


async def test_it_is_asked_again_as_soon_as_it_is_back(backend, redis_server):
    redis_server.restart()
    with pytest.raises(StoreUnavailable):
        await backend.ping()

    await backend.ping()


async def test_it_need_not_be_there_at_the_start(redis_server):
    redis_server.stop()
    async with redis_options(redis_server).open(SEALER) as backend:
        with pytest.raises(StoreUnavailable):
            await backend.ping()
        redis_server.start()

        await backend.ping()


async def test_a_restarted_redis_has_forgotten_scripts_and_group_and_still_serves(backend, redis_server):
    redis_server.restart()
    with pytest.raises(StoreUnavailable):
        await backend.ping()
    await backend.outbox.put(a_message("m1"))

    claimed = []
    for _ in range(2):  # the connection that waited is found broken once
        try:
            claimed = claimed or await backend.outbox.claim(courier="one", most=1, wait_seconds=0)
        except StoreUnavailable:
            continue

    assert [each.message.id for each in claimed] == ["m1"]
    assert (await backend.counters.take([LIMIT], now=1)).counts == (1,)


async def test_an_emptied_redis_does_not_keep_a_waiting_courier_from_its_work(backend, redis_server):
    waiting = asyncio.create_task(backend.outbox.claim(courier="one", most=1, wait_seconds=5))
    await asyncio.sleep(0.05)
    redis_server.flush()
    await asyncio.wait([waiting])
    await backend.outbox.put(a_message("m1"))

    [claimed] = await backend.outbox.claim(courier="one", most=1, wait_seconds=1)

    assert claimed.message.id == "m1"
    waiting.exception()


async def test_a_courier_may_wait_longer_than_the_time_limit(backend):
    started = time.monotonic()

    assert await backend.outbox.claim(courier="one", most=1, wait_seconds=2.5 * TIMEOUT_SECONDS) == []
    assert time.monotonic() - started >= 2 * TIMEOUT_SECONDS


async def test_a_cancelled_courier_takes_nothing_with_it(backend):
    waiting = asyncio.create_task(backend.outbox.claim(courier="one", most=1, wait_seconds=5))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.wait([waiting])
    await asyncio.sleep(0.05)
    await backend.outbox.put(a_message("m1"))

    [claimed] = await backend.outbox.claim(courier="two", most=1, wait_seconds=1)

    assert claimed.times == 1


async def test_who_is_cancelled_does_not_leave_his_answer_to_the_next(server):
    await asyncio.gather(*[server.ask("SET", f"key{each}", f"value{each}") for each in range(100)])
    asks = [asyncio.create_task(server.ask("GET", f"key{each}")) for each in range(100)]
    await asyncio.sleep(0)
    for ask in asks[::3]:
        ask.cancel()

    async with asyncio.timeout(5):
        answers = await asyncio.gather(*asks, return_exceptions=True)

    kept = {each: answer for each, answer in enumerate(answers) if each % 3}
    assert kept == {each: f"value{each}".encode() for each in kept}
    assert await server.ask("GET", "key0") == b"value0"


async def test_an_error_is_its_askers_alone(server):
    await server.ask("SET", "text", "text")

    wrong, right = await asyncio.gather(
        server.ask_all([("GET", "text"), ("INCR", "text")]), server.ask("GET", "text"), return_exceptions=True
    )

    assert isinstance(wrong, StoreUnavailable)
    assert wrong.reason == "refused"
    assert right == b"text"


async def test_a_script_that_redis_does_not_know_is_taught_once(server):
    script = Script("return redis.call('INCR', KEYS[1])")
    await server.ask("SCRIPT", "FLUSH")

    answers = await server.ask_all([("SET", "count", "1"), script.on("count"), ("GET", "count")])

    assert answers[:2] == [b"OK", 2]
    assert await server.ask(*script.on("count")) == 3


async def test_what_can_be_asked_at_once_is_bounded(server, redis_server):
    await server.ping()
    redis_server.pause()

    answers = await asyncio.gather(*[server.ping() for _ in range(MOST_ASKED + 5)], return_exceptions=True)

    redis_server.resume()
    assert sum(answer.reason == "busy" for answer in answers if isinstance(answer, StoreUnavailable)) == 5


async def test_a_full_redis_says_so(server):
    await server.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(StoreUnavailable) as refused:
            await server.ask("SET", "key", "value")
    finally:
        await server.ask("CONFIG", "SET", "maxmemory", "0")

    assert refused.value.reason == "full"


async def test_a_wrong_password_says_so_and_shows_nothing(redis_server):
    options = RedisOptions(url=f"redis://nobody:hunter2@127.0.0.1:{redis_server.port}")
    async with options.open(SEALER) as backend:
        with pytest.raises(StoreUnavailable) as refused:
            await backend.ping()

    assert refused.value.reason == "auth"
    assert "hunter2" not in f"{refused.value!r} {refused.value.__cause__!r}"


async def test_who_waits_for_a_connection_while_the_store_closes_gets_an_error_of_ours(redis_server):
    redis_server.pause()
    async with redis_options(redis_server, timeout_seconds=TIMEOUT_SECONDS).open(SEALER) as backend:
        asking = asyncio.create_task(backend.ping())
        await asyncio.sleep(0.05)
    redis_server.resume()

    with pytest.raises(StoreUnavailable):
        await asking


async def test_after_closing_nothing_is_asked(redis_server):
    async with redis_options(redis_server).open(SEALER) as backend:
        await backend.ping()

    with pytest.raises(StoreUnavailable):
        await backend.ping()


async def test_closing_leaves_no_connection_behind(redis_server):
    for _ in range(5):
        async with redis_options(redis_server).open(SEALER) as backend:
            waiting = asyncio.create_task(backend.outbox.claim(courier="one", most=1, wait_seconds=5))
            await backend.ping()
            await asyncio.sleep(0.02)
            waiting.cancel()
            await asyncio.wait([waiting])
    await asyncio.sleep(0.05)

    assert redis_server.ask("CLIENT LIST").count(b" addr=") == 1
