"""How much of Drupal one gateway, and one address, may use at once; and that no place is ever lost."""

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from gateway.drupal.bulkhead import Bulkhead
from gateway.errors import DrupalBusy

HERE, THERE = "203.0.113.7", "198.51.100.1"
OURS = ""


async def held(stack: AsyncExitStack, bulkhead: Bulkhead, place: str) -> None:
    await stack.enter_async_context(bulkhead.slot(place))


async def turns() -> None:
    """Let everything that can go on go on."""
    for _ in range(5):
        await asyncio.sleep(0)


async def calls(bulkhead: Bulkhead, places, log: list[str], until: asyncio.Event | None = None) -> list[asyncio.Task]:
    """One call after the other for each of *places*, noted in *log* once it has its place."""

    async def call(place: str) -> None:
        async with bulkhead.slot(place):
            log.append(place)
            if until:
                await until.wait()

    tasks = [asyncio.create_task(call(place)) for place in places]
    await turns()
    return tasks


def is_empty(bulkhead: Bulkhead) -> bool:
    return not (bulkhead._busy or bulkhead._busy_of or bulkhead._waiting_of or bulkhead._queue)


async def test_no_more_than_most_are_in_at_once():
    bulkhead, log, end = Bulkhead(8, queue_seconds=5), [], asyncio.Event()
    tasks = await calls(bulkhead, [str(number) for number in range(12)], log, end)

    assert len(log) == 8

    end.set()
    await asyncio.gather(*tasks)
    assert len(log) == 12
    assert is_empty(bulkhead)


async def test_one_address_gets_a_quarter_and_the_others_still_get_in():
    bulkhead, log, end = Bulkhead(8, queue_seconds=5), [], asyncio.Event()
    tasks = await calls(bulkhead, [HERE] * 4 + [THERE], log, end)

    assert log == [HERE, HERE, THERE]

    end.set()
    await asyncio.gather(*tasks)
    assert is_empty(bulkhead)


async def test_one_address_waits_in_no_more_than_a_quarter_of_the_queue():
    bulkhead, end = Bulkhead(8, queue_seconds=5), asyncio.Event()
    tasks = await calls(bulkhead, [HERE] * 4, [], end)

    with pytest.raises(DrupalBusy) as refused:
        async with bulkhead.slot(HERE):
            pass

    assert refused.value.retry_after > 0
    end.set()
    await asyncio.gather(*tasks)


async def test_calls_of_our_own_have_no_quarter():
    bulkhead = Bulkhead(8, queue_seconds=5)
    async with AsyncExitStack() as stack:
        for _ in range(8):
            await held(stack, bulkhead, OURS)

    assert is_empty(bulkhead)


async def test_a_full_queue_refuses_at_once():
    bulkhead, end = Bulkhead(4, queue_seconds=60), asyncio.Event()
    tasks = await calls(bulkhead, [str(number) for number in range(8)], [], end)
    began = asyncio.get_running_loop().time()

    with pytest.raises(DrupalBusy):
        async with bulkhead.slot("another"):
            pass

    assert asyncio.get_running_loop().time() - began < 0.1
    end.set()
    await asyncio.gather(*tasks)


async def test_who_has_waited_for_its_time_is_refused():
    bulkhead = Bulkhead(1, queue_seconds=0.05)
    async with bulkhead.slot(HERE):
        with pytest.raises(DrupalBusy):
            async with bulkhead.slot(THERE):
                pass

    assert is_empty(bulkhead)


async def test_whoever_came_first_is_served_first():
    bulkhead, log, end = Bulkhead(4, queue_seconds=5), [], asyncio.Event()
    first = await calls(bulkhead, ["a", "b", "c", "d"], [], end)
    waiting = await calls(bulkhead, ["e", "f", "g", "h"], log)

    end.set()
    await asyncio.gather(*first, *waiting)

    assert log == ["e", "f", "g", "h"]


async def test_an_address_at_its_quarter_holds_up_nobody_behind_it():
    bulkhead, log, end = Bulkhead(4, queue_seconds=5), [], asyncio.Event()
    async with AsyncExitStack() as stack:
        await held(stack, bulkhead, HERE)
        others = await calls(bulkhead, ["a", "b", "c"], [], end)
        waiting = await calls(bulkhead, [HERE, THERE], log)
        end.set()
        await asyncio.gather(*others)
        await turns()

        assert log == [THERE]

    await asyncio.gather(*waiting)
    assert log == [THERE, HERE]


async def test_whoever_comes_later_does_not_get_in_before_who_waits():
    """A place that is freed goes to the queue, even if somebody asks in the very same turn."""
    bulkhead, log, end = Bulkhead(1, queue_seconds=5), [], asyncio.Event()
    first = await calls(bulkhead, ["a"], [], end)
    waiting = await calls(bulkhead, ["b"], log)
    end.set()
    await asyncio.gather(*first)
    late = await calls(bulkhead, ["c"], log)
    await asyncio.gather(*waiting, *late)

    assert log == ["b", "c"]


async def test_who_has_just_been_let_in_is_not_counted_as_waiting():
    """A login asks twice, for the password and for the account; its second call must not be refused for the next login."""
    bulkhead, log = Bulkhead(4, queue_seconds=5), []

    async def login() -> None:
        for step in ("password", "account"):
            async with bulkhead.slot(HERE):
                log.append(step)
                await asyncio.sleep(0.01)

    await asyncio.gather(login(), login())

    assert log == ["password", "password", "account", "account"]
    assert is_empty(bulkhead)


async def test_an_error_inside_gives_the_place_back():
    bulkhead = Bulkhead(1, queue_seconds=5)
    with pytest.raises(ZeroDivisionError):
        async with bulkhead.slot(HERE):
            raise ZeroDivisionError

    assert is_empty(bulkhead)


@pytest.mark.parametrize("seed", range(12))
async def test_no_place_is_lost_or_given_twice_whoever_comes_leaves_or_gives_up(seed):
    """Random histories: arrivals, ends, cancellations and time-outs, in any order and in the same turn."""
    rng = random.Random(seed)
    most = rng.choice([1, 3, 4, 8])
    bulkhead = Bulkhead(most, queue_seconds=0.01)
    inside, running, ended = [], [], []

    async def call(place: str) -> None:
        try:
            async with bulkhead.slot(place):
                inside.append(place)
                assert len(inside) <= most
                assert place == OURS or inside.count(place) <= max(1, most // 4)
                try:
                    await asyncio.sleep(rng.choice([0, 0, 0.001, 0.02]))
                finally:
                    inside.remove(place)
        except DrupalBusy:
            ended.append("busy")

    for _ in range(400):
        match rng.choice(["come", "come", "come", "leave", "turn", "wait"]):
            case "come":
                running.append(asyncio.create_task(call(rng.choice([HERE, HERE, THERE, "a", "b", "c", OURS]))))
            case "leave" if running:
                rng.choice(running).cancel()
            case "turn":
                await asyncio.sleep(0)
            case "wait":
                await asyncio.sleep(0.002)
        assert sum(place != OURS for place, _ in bulkhead._queue) <= most
    results = await asyncio.gather(*running, return_exceptions=True)

    assert not [result for result in results if isinstance(result, Exception)]
    assert is_empty(bulkhead)
    # Every place is still there.
    async with AsyncExitStack() as stack:
        for number in range(most):
            await held(stack, bulkhead, f"again {number}")
