"""The contract of Transactions."""

import asyncio
import time
from dataclasses import replace

import pytest

from gateway.errors import TooSoon, TransactionClosed
from gateway.interfaces import Backend, Transactions
from gateway.transaction import State, Transaction, new_id, transaction_key
from tests.contracts.stores import a_transaction


async def opened(store: Transactions, *, most: int = 3, **fields) -> str:
    key = transaction_key(new_id())
    await store.create(key, a_transaction(**fields), most=most, now=time.time())
    return key


def tried(pending: Transaction, *, accepted: bool = False) -> Transaction:
    return pending.attempt(accepted=accepted, now=time.time())


def cancelled(pending: Transaction) -> Transaction:
    return pending.end(now=time.time())


class TransactionsContract:
    @pytest.fixture
    def stores(self, backends: tuple[Backend, Backend]) -> tuple[Transactions, Transactions]:
        return backends[0].transactions, backends[1].transactions

    @pytest.fixture
    def store(self, stores) -> Transactions:
        return stores[0]

    async def test_what_was_created_is_found_as_it_was(self, stores):
        transaction = a_transaction(
            username="al\u0131ce \ud800 \"'\\", mail=None, profile={"a": [{"value": 'é"\u2028\ud800'}]}
        )

        await stores[0].create("key", transaction, most=3, now=time.time())

        assert await stores[1].find("key") == transaction

    async def test_an_unknown_one_is_closed(self, store):
        with pytest.raises(TransactionClosed):
            await store.find("nobody")

    async def test_an_update_of_an_unknown_one_finds_it_closed(self, store):
        with pytest.raises(TransactionClosed):
            await store.update("nobody", tried)

    async def test_an_update_with_what_was_seen_of_an_unknown_one_finds_it_closed(self, store):
        with pytest.raises(TransactionClosed):
            await store.update("nobody", tried, seen=a_transaction())

    async def test_an_expired_one_is_closed(self, store):
        key = await opened(store, expires_at=time.time() + 0.1)

        await asyncio.sleep(0.15)

        with pytest.raises(TransactionClosed):
            await store.find(key)

    async def test_an_update_does_not_prolong_it(self, store):
        key = await opened(store, expires_at=time.time() + 0.3)
        await asyncio.sleep(0.15)

        await store.update(key, tried)

        await asyncio.sleep(0.2)
        with pytest.raises(TransactionClosed):
            await store.find(key)

    async def test_an_update_returns_what_it_stored(self, stores):
        key = await opened(stores[0])

        changed = await stores[0].update(key, tried)

        assert changed.attempts_left == 4
        assert changed.version == 1
        assert await stores[1].find(key) == changed

    async def test_what_was_seen_spares_no_correctness(self, stores):
        key = await opened(stores[0])
        seen = await stores[0].find(key)
        await stores[1].update(key, tried)

        changed = await stores[0].update(key, tried, seen=seen)

        assert changed.attempts_left == 3

    async def test_a_change_that_raises_leaves_it_as_it_was(self, store):
        key = await opened(store)
        before = await store.find(key)

        def refuse(pending: Transaction) -> Transaction:
            raise TooSoon("wait", retry_after=1)

        with pytest.raises(TooSoon):
            await store.update(key, refuse)
        assert await store.find(key) == before

    async def test_a_change_that_returns_its_argument_stores_nothing(self, store):
        key = await opened(store)

        same = await store.update(key, lambda pending: pending)

        assert same.version == 0
        assert (await store.find(key)).version == 0

    async def test_two_hundred_parallel_updates_settle_and_none_is_lost(self, stores):
        key = await opened(stores[0], attempts_left=1000)

        await asyncio.gather(*[stores[each % 2].update(key, tried) for each in range(200)])

        after = await stores[0].find(key)
        assert after.attempts_left == 800
        assert after.version == 200

    async def test_two_hundred_parallel_guesses_get_five_attempts(self, stores):
        key = await opened(stores[0], attempts_left=5)

        guesses = [stores[each % 2].update(key, tried) for each in range(200)]
        answers = await asyncio.gather(*guesses, return_exceptions=True)

        counted = sorted(answer.attempts_left for answer in answers if isinstance(answer, Transaction))
        assert counted == [0, 1, 2, 3, 4]
        assert sum(isinstance(answer, TransactionClosed) for answer in answers) == 195

    async def test_of_fifty_parallel_right_answers_exactly_one_wins(self, stores):
        key = await opened(stores[0])
        seen = await stores[0].find(key)

        right = [stores[each % 2].update(key, lambda old: tried(old, accepted=True), seen=seen) for each in range(50)]
        answers = await asyncio.gather(*right, return_exceptions=True)

        won = [answer for answer in answers if isinstance(answer, Transaction)]
        assert [winner.state for winner in won] == [State.DELIVERING]
        assert sum(isinstance(answer, TransactionClosed) for answer in answers) == 49

    async def test_a_resend_buys_no_attempts(self, store):
        key = await opened(store, resend_at=0)
        await store.update(key, tried)

        now = time.time()
        await store.update(key, lambda old: old.reissue(now=now, wait_seconds=60, messages=("m2",), auth_type="EMAIL"))

        assert (await store.find(key)).attempts_left == 4

    async def test_who_wins_is_given_the_whole_transaction(self, store):
        key = await opened(store)

        won = await store.update(key, lambda old: tried(old, accepted=True))

        assert won.username == "alice"
        assert won.profile == {"name": [{"value": "alice"}]}

    async def test_those_from_known_networks_are_counted_apart(self, store):
        now = time.time()
        for each in range(3):
            await store.create(f"home{each}", a_transaction(known_network=True), most=3, now=now)
        for each in range(3):
            assert await store.create(f"away{each}", a_transaction(), most=3, now=now) == []

        assert await store.create("away3", a_transaction(), most=3, now=now) == ["away0"]
        await store.update("home1", cancelled)
        assert await store.create("home3", a_transaction(known_network=True), most=3, now=now) == []
        assert await store.create("home4", a_transaction(known_network=True), most=3, now=now) == ["home0"]

    @pytest.mark.parametrize("close", [cancelled, lambda old: tried(old, accepted=True)], ids=["ended", "delivering"])
    async def test_of_a_closed_one_nothing_of_anybody_is_kept(self, store, close):
        key = await opened(store)
        closed = await store.update(key, close)

        kept = await store.find(key)

        assert kept == closed.spent()
        assert (kept.secret, kept.mail, kept.phone, kept.username, kept.profile) == (b"", None, None, "", {})

    async def test_a_closed_one_outlives_its_expiry_so_that_late_answers_learn_of_it(self, store):
        key = await opened(store, expires_at=time.time() + 0.1)
        await store.update(key, cancelled)

        await asyncio.sleep(0.15)

        assert (await store.find(key)).state is State.ENDED

    async def test_a_closed_one_can_not_be_won(self, stores):
        key = await opened(stores[0])
        seen = await stores[0].find(key)
        await stores[1].update(key, cancelled)

        with pytest.raises(TransactionClosed):
            await stores[0].update(key, lambda old: tried(old, accepted=True), seen=seen)

    async def test_the_fourth_transaction_of_an_account_returns_the_oldest(self, stores):
        now = time.time()
        for each in range(3):
            transaction = a_transaction(expires_at=now + 300 + each)
            assert await stores[0].create(f"key{each}", transaction, most=3, now=now + each) == []

        displaced = await stores[1].create("key3", a_transaction(expires_at=now + 303), most=3, now=now + 3)

        assert displaced == ["key0"]
        assert (await stores[0].find("key0")).state is State.OPEN

    async def test_of_four_at_one_instant_the_new_one_is_not_displaced(self, store):
        now = time.time()
        keys = ["d", "c", "b", "a"]

        displaced = [await store.create(key, a_transaction(expires_at=now + 300), most=3, now=now) for key in keys]

        assert [len(each) for each in displaced] == [0, 0, 0, 1]
        assert displaced[3] != ["a"]

    async def test_the_fourth_of_another_account_returns_nothing(self, store):
        for _ in range(3):
            await opened(store)

        assert await store.create("other", a_transaction(uid="18"), most=3, now=time.time()) == []

    @pytest.mark.parametrize("close", [cancelled, lambda old: tried(old, accepted=True)], ids=["ended", "delivering"])
    async def test_closed_ones_do_not_count(self, store, close):
        keys = [await opened(store) for _ in range(3)]
        await store.update(keys[1], close)

        assert await store.create("new", a_transaction(), most=3, now=time.time()) == []

    async def test_expired_ones_do_not_count(self, store):
        now = time.time()
        for each in range(3):
            await store.create(f"key{each}", a_transaction(expires_at=now + 10), most=3, now=now)

        assert await store.create("new", a_transaction(expires_at=now + 310), most=3, now=now + 11) == []

    async def test_a_shorter_one_does_not_make_the_account_forget_a_longer_one(self, store):
        now = time.time()
        await store.create("long", a_transaction(expires_at=now + 300), most=1, now=now)
        await store.create("short", a_transaction(expires_at=now + 0.1), most=2, now=now)
        await asyncio.sleep(0.15)

        assert await store.create("new", a_transaction(), most=1, now=time.time()) == ["long"]

    async def test_one_key_is_created_once(self, store):
        await store.create("key", a_transaction(), most=3, now=time.time())

        with pytest.raises(Exception, match="exists"):
            await store.create("key", replace(a_transaction(), uid="18"), most=3, now=time.time())
        assert (await store.find("key")).uid == "17"

    async def test_the_open_transactions_of_an_account_are_counted_until_they_close_or_expire(self, backends):
        one, other = (backend.transactions for backend in backends)
        now = time.time()
        await one.create("a", a_transaction(), most=3, now=now)
        await one.create("b", a_transaction(known_network=True, expires_at=now + 100), most=3, now=now)
        await one.create("c", a_transaction(uid="18"), most=3, now=now)
        assert await other.count_open("17", now=now) == 2
        assert await other.count_open("17", now=now + 200) == 1

        await one.update("a", lambda pending: pending.end(now=now))

        assert await other.count_open("17", now=now) == 1
        assert await other.count_open("19", now=now) == 0
