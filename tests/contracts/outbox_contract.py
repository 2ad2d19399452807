"""The contract of Outbox."""

import asyncio
import time

import pytest

from gateway.errors import DeliveryUnavailable
from gateway.interfaces import Backend, Claimed, Outbox
from tests.contracts.stores import CLAIM_SECONDS, OUTBOX_MOST, a_message


async def claim(store: Outbox, courier: str = "one", *, most: int = 10, wait_seconds: float = 0) -> list[Claimed]:
    return await store.claim(courier=courier, most=most, wait_seconds=wait_seconds)


def ids(claimed: list[Claimed]) -> list[str]:
    return [each.message.id for each in claimed if each.message]


class OutboxContract:
    @pytest.fixture
    def stores(self, backends: tuple[Backend, Backend]) -> tuple[Outbox, Outbox]:
        return backends[0].outbox, backends[1].outbox

    @pytest.fixture
    def store(self, stores) -> Outbox:
        return stores[0]

    async def test_what_was_put_is_claimed_as_it_was(self, stores):
        message = a_message("m1")
        await stores[0].put(message)

        [claimed] = await claim(stores[1])

        assert claimed.message == message
        assert claimed.times == 1

    async def test_messages_come_in_the_order_in_which_they_were_put(self, store):
        for each in range(4):
            await store.put(a_message(f"m{each}"))

        assert ids(await claim(store, most=3)) == ["m0", "m1", "m2"]
        assert ids(await claim(store, most=3)) == ["m3"]

    async def test_each_is_claimed_by_one_courier(self, stores):
        for each in range(5):
            await stores[0].put(a_message(f"m{each}"))

        claims = await asyncio.gather(*[claim(stores[each % 2], f"courier{each}", most=1) for each in range(10)])

        assert sorted(id for claimed in claims for id in ids(claimed)) == [f"m{each}" for each in range(5)]

    async def test_a_claim_waits_for_the_first_message(self, stores):
        await claim(stores[0])
        waiting = asyncio.create_task(claim(stores[0], wait_seconds=5))
        await asyncio.sleep(0.05)
        started = time.monotonic()

        await stores[1].put(a_message("m1"))

        assert ids(await waiting) == ["m1"]
        assert time.monotonic() - started < 1

    async def test_a_claim_that_nothing_comes_for_ends(self, store):
        started = time.monotonic()

        assert await claim(store, wait_seconds=0.2) == []
        assert 0.15 < time.monotonic() - started < 1

    @pytest.mark.alone
    async def test_waiting_holds_up_nobody_else(self, stores):
        waiting = asyncio.create_task(claim(stores[0], wait_seconds=2))
        await asyncio.sleep(0.05)
        started = time.monotonic()

        await stores[0].words(["m1"])

        assert time.monotonic() - started < 0.5
        waiting.cancel()
        await asyncio.wait([waiting])

    async def test_a_dead_couriers_message_is_claimed_by_another_after_the_silence(self, stores):
        await stores[0].put(a_message("m1"))
        await claim(stores[0], "dead")
        assert await claim(stores[1], "heir") == []

        await asyncio.sleep(CLAIM_SECONDS + 0.1)
        [claimed] = await claim(stores[1], "heir", wait_seconds=1)

        assert claimed.message == a_message("m1", asked_at=claimed.message.asked_at, deadline=claimed.message.deadline)
        assert claimed.times == 2

    async def test_a_waiting_courier_notices_that_another_died(self, stores):
        await stores[0].put(a_message("m1"))
        await claim(stores[0], "dead")

        assert ids(await claim(stores[1], "heir", wait_seconds=3)) == ["m1"]

    async def test_each_taking_up_is_counted(self, stores):
        await stores[0].put(a_message("m1"))

        times = [(await claim(stores[each % 2], f"courier{each}", wait_seconds=3))[0].times for each in range(3)]

        assert times == [1, 2, 3]

    async def test_a_kept_one_is_not_claimed_by_another_nor_counted_again(self, stores):
        await stores[0].put(a_message("m1"))
        [held] = await claim(stores[0], "slow")
        for _ in range(4):
            await asyncio.sleep(CLAIM_SECONDS / 2)
            await stores[0].keep([held.receipt], courier="slow")
            assert await claim(stores[1], "heir") == []

        [claimed] = await claim(stores[1], "heir", wait_seconds=3)

        assert claimed.times == 2

    async def test_what_another_took_up_can_not_be_kept(self, stores):
        await stores[0].put(a_message("m1"))
        [held] = await claim(stores[0], "slow")
        await claim(stores[1], "heir", wait_seconds=3)

        await asyncio.sleep(CLAIM_SECONDS - 0.1)
        await stores[0].keep([held.receipt], courier="slow")

        assert ids(await claim(stores[1], "third", wait_seconds=0.3)) == ["m1"]

    async def test_a_finished_one_is_gone_and_its_word_stays(self, stores):
        await stores[0].put(a_message("m1"))
        await stores[0].put(a_message("m2"))
        first, second = await claim(stores[0])

        await stores[0].finish(first, word="sent", until=time.time() + 60)
        await stores[0].finish(second, word="failed", until=time.time() + 60)

        assert await stores[1].words(["m1", "m2", "m3"]) == ["sent", "failed", "queued"]
        await asyncio.sleep(CLAIM_SECONDS + 0.1)
        assert await claim(stores[1], "heir", wait_seconds=0.2) == []

    async def test_a_word_is_forgotten_in_its_time(self, store):
        await store.put(a_message("m1"))
        [claimed] = await claim(store)
        await store.finish(claimed, word="sent", until=time.time() + 0.1)

        await asyncio.sleep(0.15)

        assert await store.words(["m1"]) == ["queued"]

    async def test_of_two_couriers_that_tried_the_one_that_sent_is_right(self, stores):
        await stores[0].put(a_message("m1"))
        [slow] = await claim(stores[0], "slow")
        [heir] = await claim(stores[1], "heir", wait_seconds=3)

        await stores[0].finish(slow, word="sent", until=time.time() + 60)
        await stores[1].finish(heir, word="failed", until=time.time() + 60)

        assert await stores[0].words(["m1"]) == ["sent"]

    async def test_no_words_are_asked_for_nothing(self, store):
        assert await store.words([]) == []

    async def test_a_full_outbox_refuses(self, stores):
        for each in range(OUTBOX_MOST):
            await stores[0].put(a_message(f"m{each}"))

        with pytest.raises(DeliveryUnavailable):
            await stores[1].put(a_message("one too many"))

    async def test_what_is_in_a_couriers_hands_counts_until_it_is_finished(self, store):
        for each in range(OUTBOX_MOST):
            await store.put(a_message(f"m{each}"))
        claimed = await claim(store)
        with pytest.raises(DeliveryUnavailable):
            await store.put(a_message("one too many"))

        await store.finish(claimed[0], word="sent", until=time.time() + 60)

        await store.put(a_message("there is room"))
