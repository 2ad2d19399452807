"""The contract of Parked."""

import asyncio

import pytest

from gateway.errors import TransactionClosed
from gateway.interfaces import Backend, Parked
from tests.contracts.stores import a_session


async def due(store: Parked, now: float, *, lease_seconds: float = 60, most: int = 100) -> list[str]:
    return [key for key, _ in await store.claim(now=now, lease_seconds=lease_seconds, most=most)]


class ParkedContract:
    @pytest.fixture
    def stores(self, backends: tuple[Backend, Backend]) -> tuple[Parked, Parked]:
        return backends[0].parked, backends[1].parked

    @pytest.fixture
    def store(self, stores) -> Parked:
        return stores[0]

    async def test_what_is_due_is_claimed_as_it_was_parked(self, stores):
        await stores[0].park("key", a_session(), due_at=100)

        assert await stores[1].claim(now=100, lease_seconds=60, most=10) == [("key", a_session())]

    async def test_nothing_is_claimed_before_it_is_due(self, store):
        await store.park("key", a_session(), due_at=100)

        assert await due(store, 99.9) == []

    async def test_the_longest_due_are_claimed_first_and_no_more_than_asked_for(self, store):
        for each in (3, 1, 2):
            await store.park(f"key{each}", a_session(), due_at=each)

        assert await due(store, 100, most=2) == ["key1", "key2"]
        assert await due(store, 100, most=2) == ["key3"]

    async def test_of_many_parallel_claims_one_gets_each(self, stores):
        for each in range(40):
            await stores[0].park(f"key{each}", a_session(), due_at=each)

        claims = await asyncio.gather(*[due(stores[each % 2], 100, most=7) for each in range(20)])

        assert sorted(key for claim in claims for key in claim) == sorted(f"key{each}" for each in range(40))

    async def test_a_lease_that_ended_makes_it_due_again(self, stores):
        await stores[0].park("key", a_session(), due_at=100)
        await due(stores[0], 100, lease_seconds=60)

        assert await due(stores[1], 159) == []
        assert await due(stores[1], 160) == ["key"]

    async def test_taking_for_hand_over_returns_the_credential_and_makes_it_due_later(self, stores):
        await stores[0].park("key", a_session(), due_at=100)

        handed = await stores[1].take_for_handover("key", until=160)

        assert handed == a_session()
        assert await due(stores[0], 159) == []
        assert await due(stores[0], 160) == ["key"]

    async def test_what_is_being_handed_over_is_due_sooner_than_it_would_have_been(self, store):
        await store.park("key", a_session(), due_at=300)

        await store.take_for_handover("key", until=60)

        assert await due(store, 60) == ["key"]

    async def test_what_the_reaper_has_claimed_can_still_be_taken_for_hand_over(self, store):
        await store.park("key", a_session(), due_at=100)
        await due(store, 100, lease_seconds=10)

        await store.take_for_handover("key", until=160)

        assert await due(store, 111) == []

    async def test_taking_what_is_gone_for_hand_over_finds_the_transaction_closed(self, store):
        await store.park("key", a_session(), due_at=100)
        await store.remove("key")

        with pytest.raises(TransactionClosed):
            await store.take_for_handover("key", until=160)
        assert await due(store, 1000) == []

    async def test_it_can_be_made_due_sooner_and_later(self, store):
        await store.park("key", a_session(), due_at=100)

        await store.postpone("key", due_at=50)
        assert await due(store, 50, lease_seconds=1) == ["key"]
        await store.postpone("key", due_at=500)
        assert await due(store, 499) == []
        assert await due(store, 500) == ["key"]

    async def test_postponing_an_unknown_one_is_no_error_and_makes_nothing_due(self, store):
        await store.postpone("nobody", due_at=1)

        assert await due(store, 100) == []

    async def test_what_was_removed_is_never_claimed(self, store):
        await store.park("key", a_session(), due_at=100)

        await store.remove("key")

        assert await due(store, 1000) == []

    async def test_removing_an_unknown_one_is_no_error(self, store):
        await store.remove("nobody")
