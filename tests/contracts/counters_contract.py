"""The contract of Counters: what `gateway/limit.py` says, kept by every store."""

import asyncio
import itertools
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.interfaces import Backend, Counters
from gateway.limit import Limit, Taken, held, judge, taken

START = 1_800_000_000.123456
FRESH = itertools.count()


def a_limit(**fields) -> Limit:
    return Limit(**{"name": "address", "key": "a", "most": 3, "seconds": 60} | fields)


BACK_OFF = a_limit(name="soft", key="b", wait_first=30, wait_most=100, seconds=3600)
LOCK = a_limit(name="hard", key="c", most=2, seconds=60, until_unlocked=True)


@st.composite
def histories(draw):
    """Limits under fresh keys, and what is asked of them at which times."""
    limits = [
        Limit(
            name=f"limit{each}",
            key=f"history-{next(FRESH)}",
            most=draw(st.integers(1, 4)),
            seconds=draw(st.sampled_from([10.0, 60.5, 3600.0])),
            wait_first=wait_first,
            wait_most=draw(st.sampled_from([30.0, 100.0])) if wait_first else 0,
            until_unlocked=not wait_first and draw(st.booleans()),
        )
        for each in range(draw(st.integers(1, 3)))
        for wait_first in [draw(st.sampled_from([0, 0.1, 30.0]))]
    ]
    asks = st.tuples(
        st.sampled_from(["take", "take", "take", "check", "give_back", "clear"]),
        st.lists(st.sampled_from(limits), min_size=1, unique=True),
        st.sampled_from([0.0, 0.001, 0.1, 5.0, 10.0, 29.9, 60.5, 4000.0]),
    )
    return draw(st.lists(asks, max_size=25))


class Model:
    """Counters as `limit.py` says them, in the plainest form."""

    def __init__(self):
        self.takings = {}

    def take(self, limits, *, now, taking):
        found = [list(held(limit, self.takings.get(limit, []), now)) for limit in limits]
        for limit, takings in zip(limits, found, strict=True):
            wait = judge(limit, takings, now)
            if wait is not None:
                return Taken(refused=limit, retry_after=wait)
        if taking:
            found = [taken(limit, takings, now) for limit, takings in zip(limits, found, strict=True)]
            self.takings.update(zip(limits, found, strict=True))
        return Taken(counts=tuple(len(takings) for takings in found))

    def give_back(self, limits, *, now):
        for limit in limits:
            if now in self.takings.get(limit, []):
                self.takings[limit].remove(now)

    def clear(self, limits):
        for limit in limits:
            self.takings.pop(limit, None)


class CountersContract:
    @pytest.fixture
    def stores(self, backends: tuple[Backend, Backend]) -> tuple[Counters, Counters]:
        return backends[0].counters, backends[1].counters

    @pytest.fixture
    def store(self, stores) -> Counters:
        return stores[0]

    async def test_a_window_refuses_what_is_too_much_and_says_when_to_come_back(self, store):
        limit = a_limit()
        for each in range(3):
            assert await store.take([limit], now=START + each) == Taken(counts=(each + 1,))

        refused = await store.take([limit], now=START + 10)

        assert refused.refused == limit
        assert refused.retry_after == pytest.approx(50)

    async def test_a_window_opens_when_its_oldest_taking_is_over(self, store):
        for each in range(3):
            await store.take([a_limit()], now=START + each)

        assert (await store.take([a_limit()], now=START + 59.9)).refused
        assert not (await store.take([a_limit()], now=START + 60)).refused
        assert (await store.take([a_limit()], now=START + 60.5)).refused

    async def test_a_refused_taking_does_not_prolong_the_wait(self, store):
        for _ in range(3):
            await store.take([a_limit()], now=START)
        for each in range(50):
            await store.take([a_limit()], now=START + each)

        assert not (await store.take([a_limit()], now=START + 60)).refused

    async def test_the_wait_doubles_with_each_taking_up_to_the_longest(self, store):
        now, waits = START, []
        for _ in range(3):
            await store.take([BACK_OFF], now=now)

        for _ in range(4):
            wait = (await store.check([BACK_OFF], now=now)).retry_after
            waits.append(wait)
            now += wait
            assert not (await store.take([BACK_OFF], now=now)).refused

        assert waits == pytest.approx([30, 60, 100, 100])

    async def test_a_waiting_limit_forgets_what_is_long_ago(self, store):
        for each in range(3):
            await store.take([BACK_OFF], now=START + each)

        assert await store.take([BACK_OFF], now=START + 3601.5) == Taken(counts=(2,))

    async def test_a_lock_that_is_full_stays_so_until_it_is_cleared(self, store):
        for _ in range(2):
            await store.take([LOCK], now=START)

        long_after = START + 10 * LOCK.seconds
        assert (await store.take([LOCK], now=long_after)).refused == LOCK
        await store.clear([LOCK])

        assert not (await store.take([LOCK], now=long_after)).refused

    async def test_a_lock_that_is_not_full_forgets(self, store):
        await store.take([LOCK], now=START)

        assert await store.take([LOCK], now=START + 60) == Taken(counts=(1,))

    async def test_a_lock_that_was_given_back_opens(self, store):
        for each in range(2):
            await store.take([LOCK], now=START + each)

        await store.give_back([LOCK], now=START + 1)

        assert not (await store.check([LOCK], now=START + 2)).refused

    async def test_a_taking_is_held_until_it_is_given_back(self, store):
        both = [a_limit(), a_limit(key="w")]
        await store.take(both, now=START)
        await store.take(both[:1], now=START + 0.000001)

        assert await store.holds(both, at=START)
        assert not await store.holds(both, at=START + 0.000001)
        assert not await store.holds([a_limit(key="other")], at=START)
        await store.give_back(both[1:], now=START)
        assert not await store.holds(both, at=START)

    async def test_what_was_refused_is_not_held(self, store):
        narrow = a_limit(most=1)
        await store.take([narrow], now=START)

        await store.take([narrow], now=START + 1)

        assert not await store.holds([narrow], at=START + 1)

    async def test_all_are_taken_or_none(self, store):
        narrow, wide = a_limit(name="name", key="n", most=1), a_limit(key="w")
        await store.take([narrow], now=START)

        taken = await store.take([wide, narrow], now=START + 1)

        assert taken.refused == narrow
        assert await store.check([wide], now=START + 1) == Taken(counts=(0,))

    async def test_a_check_takes_nothing(self, store):
        for _ in range(10):
            assert await store.check([a_limit()], now=START) == Taken(counts=(0,))

    async def test_what_is_given_back_was_never_taken(self, store):
        for each in range(3):
            await store.take([a_limit()], now=START + each)

        await store.give_back([a_limit()], now=START + 1)

        assert await store.check([a_limit()], now=START + 3) == Taken(counts=(2,))
        assert (await store.take([a_limit()], now=START + 3)).counts == (3,)
        assert (await store.take([a_limit()], now=START + 4)).retry_after == pytest.approx(56)

    async def test_only_one_of_two_at_the_same_time_is_given_back(self, store):
        for _ in range(2):
            await store.take([a_limit()], now=START)

        await store.give_back([a_limit()], now=START)

        assert (await store.check([a_limit()], now=START)).counts == (1,)

    async def test_what_was_not_taken_can_not_be_given_back(self, store):
        await store.take([a_limit()], now=START)

        await store.give_back([a_limit(), a_limit(key="other")], now=START + 1)

        assert (await store.check([a_limit()], now=START + 1)).counts == (1,)

    async def test_cleared_ones_start_anew(self, store):
        for _ in range(3):
            await store.take([a_limit()], now=START)

        await store.clear([a_limit()])

        assert await store.take([a_limit()], now=START) == Taken(counts=(1,))

    async def test_nothing_is_refused_where_there_is_no_limit(self, store):
        assert await store.take([], now=START) == Taken()
        await store.give_back([], now=START)
        await store.clear([])

    async def test_of_fifty_parallel_takings_exactly_as_many_as_allowed_succeed(self, stores):
        limit, now = a_limit(most=10), time.time()

        taken = await asyncio.gather(*[stores[each % 2].take([limit], now=now) for each in range(50)])

        assert sorted(each.counts[0] for each in taken if not each.refused) == list(range(1, 11))

    @settings(
        deadline=None,
        max_examples=150,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(history=histories())
    async def test_any_history_is_answered_as_the_rules_say(self, store, history):
        model, now, taken_at = Model(), START, START
        for ask, limits, later in history:
            now += later
            match ask:
                case "take":
                    taken_at = now
                    assert await store.take(limits, now=now) == model.take(limits, now=now, taking=True)
                case "check":
                    assert await store.check(limits, now=now) == model.take(limits, now=now, taking=False)
                case "give_back":
                    await store.give_back(limits, now=taken_at)
                    model.give_back(limits, now=taken_at)
                case "clear":
                    await store.clear(limits)
                    model.clear(limits)
