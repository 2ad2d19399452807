"""How much of Drupal one gateway, and one network, may use at once; who waits how long; and that no slot is lost."""

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from gateway.drupal.bulkhead import Bulkhead
from gateway.errors import DrupalBusy

HERE, THERE = "203.0.113.7", "198.51.100.1"
OURS = ""


async def held(stack: AsyncExitStack, bulkhead: Bulkhead, network: str) -> None:
    await stack.enter_async_context(bulkhead.slot(network))


async def turns() -> None:
    """Let everything that can go on go on."""
    for _ in range(5):
        await asyncio.sleep(0)


async def calls(bulkhead: Bulkhead, networks, log: list[str], until: asyncio.Event | None = None) -> list[asyncio.Task]:
    """One call after the other for each of *networks*, noted in *log* once it has its slot."""

    async def call(network: str) -> None:
        async with bulkhead.slot(network):
            log.append(network)
            if until:
                await until.wait()

    tasks = [asyncio.create_task(call(network)) for network in networks]
    await turns()
    return tasks


def is_empty(bulkhead: Bulkhead) -> bool:
    return not (bulkhead._busy or bulkhead._busy_of or bulkhead._waiting_of or bulkhead._lines or bulkhead._follow_ups)


def waiting_in(bulkhead: Bulkhead) -> int:
    return sum(map(len, bulkhead._lines.values())) + len(bulkhead._follow_ups)


def refused(tasks: list[asyncio.Task]) -> list[bool]:
    return [task.done() and isinstance(task.exception(), DrupalBusy) for task in tasks]


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


async def test_the_gateways_own_calls_have_no_quarter():
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


async def test_a_call_that_waited_too_long_is_refused():
    bulkhead = Bulkhead(1, queue_seconds=0.05)
    async with bulkhead.slot(HERE):
        with pytest.raises(DrupalBusy):
            async with bulkhead.slot(THERE):
                pass

    assert is_empty(bulkhead)


async def test_calls_run_in_the_order_in_which_they_came():
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


async def test_a_new_call_does_not_run_before_one_that_waits():
    """A slot that becomes free goes to the queue, even if another call comes in the same turn of the loop."""
    bulkhead, log, end = Bulkhead(1, queue_seconds=5), [], asyncio.Event()
    first = await calls(bulkhead, ["a"], [], end)
    waiting = await calls(bulkhead, ["b"], log)
    end.set()
    await asyncio.gather(*first)
    late = await calls(bulkhead, ["c"], log)
    await asyncio.gather(*waiting, *late)

    assert log == ["b", "c"]


async def test_networks_that_wait_are_served_in_turn():
    bulkhead, log, end = Bulkhead(8, queue_seconds=5), [], asyncio.Event()
    inside = await calls(bulkhead, map(str, range(8)), [], end)
    waiting = await calls(bulkhead, ["a", "a", "b", "b", HERE, "c", "c"], log)
    end.set()
    await asyncio.gather(*inside, *waiting)

    assert log == ["a", "b", HERE, "c", "a", "b", "c"]
    assert is_empty(bulkhead)


async def full(*networks: str) -> tuple[Bulkhead, list[asyncio.Task], list[asyncio.Task], list[str], asyncio.Event]:
    """A bulkhead of 8 with as many calls inside, and one call of each of *networks* in the queue."""
    bulkhead, log, end = Bulkhead(8, queue_seconds=60), [], asyncio.Event()
    inside = await calls(bulkhead, map(str, range(8)), [], end)
    return bulkhead, inside, await calls(bulkhead, networks, log), log, end


async def test_in_a_full_queue_the_network_that_waits_most_loses_its_newest_call():
    bulkhead, inside, waiting, log, end = await full("a", "b", "b", "c", "d", "e", "f", "g")
    newcomer = await calls(bulkhead, [HERE], log)

    assert refused(waiting) == [False, False, True] + [False] * 5
    assert waiting_in(bulkhead) == 8
    end.set()
    await asyncio.gather(*inside, *newcomer, *waiting, return_exceptions=True)
    assert log == ["a", "b", "c", "d", "e", "f", "g", HERE]
    assert is_empty(bulkhead)


async def test_four_networks_that_fill_the_queue_keep_no_other_out():
    bulkhead, inside, waiting, log, end = await full(*"aabbccdd")
    newcomers = await calls(bulkhead, "efgh", log)

    assert refused(newcomers) == [False] * 4
    assert refused(waiting) == [False, True] * 4
    end.set()
    await asyncio.gather(*inside, *newcomers, *waiting, return_exceptions=True)
    assert log == list("abcdefgh")


@pytest.mark.parametrize("newcomer", ["a", "c"])
async def test_in_a_full_queue_a_network_that_would_wait_as_long_as_any_is_refused(newcomer):
    bulkhead, inside, waiting, log, end = await full(*"aabbcdef")
    [refused_call] = await calls(bulkhead, [newcomer], log)

    assert isinstance(refused_call.exception(), DrupalBusy)
    assert refused(waiting) == [False] * 8
    end.set()
    await asyncio.gather(*inside, *waiting)


async def test_no_follow_up_is_refused_for_a_login():
    bulkhead, inside, _, log, end = await full()
    followed = await follow(bulkhead, "aabbccdd", log)
    [newcomer] = await calls(bulkhead, [HERE], log)

    assert isinstance(newcomer.exception(), DrupalBusy)
    assert refused(followed) == [False] * 8
    end.set()
    await asyncio.gather(*inside, *followed)
    assert is_empty(bulkhead)


async def test_the_gateways_own_calls_are_not_refused_for_a_login():
    bulkhead, inside, waiting, log, end = await full(*[OURS] * 8)
    [newcomer] = await calls(bulkhead, [HERE], log)

    assert isinstance(newcomer.exception(), DrupalBusy)
    assert refused(waiting) == [False] * 8
    end.set()
    await asyncio.gather(*inside, *waiting)


async def test_a_call_that_was_given_up_takes_no_turn():
    bulkhead, inside, [given_up, *waiting], log, end = await full("b", "c")
    given_up.cancel()
    end.set()
    await asyncio.gather(*inside, *waiting)

    assert log == ["c"]
    assert is_empty(bulkhead)


async def test_a_call_that_was_just_started_does_not_count_as_waiting():
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


async def follow(bulkhead: Bulkhead, networks, log: list[str]) -> list[asyncio.Task]:
    """A second call of a login that holds a session already, for each of *networks*."""

    async def call(network: str) -> None:
        async with bulkhead.slot(network, follow_up=True):
            log.append(f"{network} again")

    tasks = [asyncio.create_task(call(network)) for network in networks]
    await turns()
    return tasks


async def test_a_follow_up_is_served_before_logins_that_came_earlier():
    bulkhead, log, end = Bulkhead(4, queue_seconds=5), [], asyncio.Event()
    first = await calls(bulkhead, ["a", "b", "c", "d"], [], end)
    waiting = await calls(bulkhead, [HERE, THERE], log) + await follow(bulkhead, ["e", "f"], log)
    end.set()
    await asyncio.gather(*first, *waiting)

    assert log == ["e again", "f again", HERE, THERE]
    assert is_empty(bulkhead)


async def test_a_follow_up_takes_the_place_of_its_addresss_newest_login_when_that_is_full():
    bulkhead, log, end = Bulkhead(8, queue_seconds=5), [], asyncio.Event()
    inside = await calls(bulkhead, [HERE] * 2, [], end)
    waiting = await calls(bulkhead, [HERE] * 2, log)
    followed = await follow(bulkhead, [HERE], log)

    assert isinstance(waiting[1].exception() if waiting[1].done() else None, DrupalBusy)
    assert bulkhead._waiting_of[HERE] == 2
    end.set()
    await asyncio.gather(*inside, waiting[0], *followed)
    assert log == [f"{HERE} again", HERE]
    assert is_empty(bulkhead)


async def test_a_follow_up_takes_the_place_of_the_newest_login_in_a_full_queue():
    bulkhead, log, end = Bulkhead(4, queue_seconds=60), [], asyncio.Event()
    inside = await calls(bulkhead, ["a", "b", "c", "d"], [], end)
    waiting = await calls(bulkhead, ["e", "f", "g", "h"], log)
    followed = await follow(bulkhead, [HERE], log)

    assert [task.done() for task in waiting] == [False, False, False, True]
    assert isinstance(waiting[3].exception(), DrupalBusy)
    end.set()
    await asyncio.gather(*inside, *waiting[:3], *followed)
    assert log == [f"{HERE} again", "e", "f", "g"]
    assert is_empty(bulkhead)


async def test_follow_ups_are_bounded_like_everything_else():
    """An address waits in no more than its quarter with them, nor is there more than a full queue."""
    bulkhead, log, end = Bulkhead(8, queue_seconds=60), [], asyncio.Event()
    inside = await calls(bulkhead, [HERE] * 2 + [str(number) for number in range(6)], [], end)
    followed = await follow(bulkhead, [HERE] * 3, log)

    assert [task.done() for task in followed] == [False, False, True]
    assert isinstance(followed[2].exception(), DrupalBusy)
    others = await follow(bulkhead, [str(number) for number in range(7)], log)
    assert sum(task.done() for task in others) == 1
    assert waiting_in(bulkhead) == 8
    end.set()
    results = await asyncio.gather(*inside, *followed, *others, return_exceptions=True)
    assert len([result for result in results if isinstance(result, DrupalBusy)]) == 2
    assert is_empty(bulkhead)


async def test_follow_ups_of_one_address_keep_nobody_else_out():
    bulkhead, log, end = Bulkhead(8, queue_seconds=5), [], asyncio.Event()
    inside = await calls(bulkhead, [HERE] * 2, [], end)
    followed = await follow(bulkhead, [HERE] * 2, log)
    others = await calls(bulkhead, [THERE], log)

    assert log == [THERE]
    end.set()
    await asyncio.gather(*inside, *followed, *others)


async def test_an_error_inside_gives_the_slot_back():
    bulkhead = Bulkhead(1, queue_seconds=5)
    with pytest.raises(ZeroDivisionError):
        async with bulkhead.slot(HERE):
            raise ZeroDivisionError

    assert is_empty(bulkhead)


@pytest.mark.parametrize("seed", range(12))
async def test_no_slot_is_lost_or_given_twice_when_calls_come_end_and_give_up(seed):
    """Random histories: arrivals, ends, cancellations and time-outs, in any order and in the same turn."""
    rng = random.Random(seed)
    most = rng.choice([1, 3, 4, 8])
    bulkhead = Bulkhead(most, queue_seconds=0.01)
    inside, running, ended = [], [], []

    async def call(network: str) -> None:
        try:
            async with bulkhead.slot(network, follow_up=rng.random() < 0.3):
                inside.append(network)
                assert len(inside) <= most
                assert network == OURS or inside.count(network) <= max(1, most // 4)
                try:
                    await asyncio.sleep(rng.choice([0, 0, 0.001, 0.02]))
                finally:
                    inside.remove(network)
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
        assert waiting_in(bulkhead) <= most
        assert all(bulkhead._waiting_of[network] <= max(1, most // 4) for network in bulkhead._waiting_of if network)
    results = await asyncio.gather(*running, return_exceptions=True)

    assert not [result for result in results if isinstance(result, Exception)]
    assert is_empty(bulkhead)
    # Every slot is still there.
    async with AsyncExitStack() as stack:
        for number in range(most):
            await held(stack, bulkhead, f"again {number}")
