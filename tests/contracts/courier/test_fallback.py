"""The courier and the fallback together, where the order of events matters."""

import asyncio
import time
from dataclasses import replace

import pytest

from gateway.errors import StoreUnavailable, Undeliverable
from gateway.flood.gate import Floodgate
from gateway.flood.limits import FloodOptions, Limits
from gateway.login.fallback import Fallback
from gateway.login.methods import message_ids, messages
from gateway.sealing import Sealer, SealKey
from tests.contracts.courier.parts import courier_of, pending, running, word_of

METHODS = {"SMS AND EMAIL": "PHONE VERIFICATION", "SMS": "EMAIL"}


class Refusing:
    async def deliver(self, to, text, *, id):
        raise Undeliverable("refused")


class Taking:
    def __init__(self):
        self.taken = []

    async def deliver(self, to, text, *, id):
        self.taken.append((to, await text()))


@pytest.fixture
def limits():
    return Limits(FloodOptions(), Sealer([SealKey.fresh("k")], b"i" * 32).index)


@pytest.fixture
def fallback_over(limits):

    def over(backend):
        flood = Floodgate(backend.counters, limits, clock=time.time, login_seconds=15)
        return Fallback(backend, flood=flood, methods=METHODS, clock=time.time)

    return over


@pytest.fixture
def count(backend, limits):
    """Let flood control count a message, as a login does before it sends one."""
    flood = Floodgate(backend.counters, limits, clock=time.time, login_seconds=15)

    async def counted(message):
        await flood.deliveries(message.uid, [(message.channel, message.to)], known_network=False, now=message.asked_at)

    return counted


@pytest.fixture
def fallback(backend, fallback_over):
    return fallback_over(backend)


ALL = ("EMAIL", "SMS", "SMS AND EMAIL", "PHONE VERIFICATION")


@pytest.fixture
def opened(backend, count):
    async def open_one(method, methods=ALL):
        waiting = await waiting_for(backend, method, methods)
        for message in waiting:
            await count(message)
            await backend.outbox.put(message)
        return waiting

    return open_one


async def waiting_for(backend, method, methods):
    """Store a transaction and return its messages."""
    transaction = replace(
        pending(methods=methods, auth_type=method),
        mail="alice@example.test",
        phone="+15550100001",
        messages=message_ids(method),
    )
    await backend.transactions.create("t1", transaction, most=3, now=time.time())
    return messages("t1", transaction, browser="", now=time.time(), fallback=METHODS)


class BothAtOnce:
    """The outbox. It stores no last word until *parties* couriers want to store one."""

    def __init__(self, inner, parties):
        self.inner = inner
        self.barrier = asyncio.Barrier(parties)
        self.held = parties

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def finish(self, claimed, *, word, until):
        if self.held:
            self.held -= 1
            await self.barrier.wait()
        await self.inner.finish(claimed, word=word, until=until)


async def test_two_messages_that_fail_at_once_are_followed_by_one_fallback(backend, fallback, opened):
    call = Taking()
    outbox = BothAtOnce(backend.outbox, 2)
    channels = {"sms": Refusing(), "email": Refusing(), "voice": call}
    await opened("SMS AND EMAIL")

    async with running(courier_of(backend, None, outbox=outbox, channels=channels, fall_back=fallback)):
        after = await eventually(backend, lambda ids: ids[0].startswith("voice-"))
        assert await word_of(backend, after[0]) == "sent"

    assert [to for to, _ in call.taken] == ["+15550100001"]


class Elsewhere:
    """Counters of a remote store: while one request waits for it, others run."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def take(self, limits, *, now):
        await asyncio.sleep(0.01)
        return await self.inner.take(limits, now=now)


async def test_a_fallback_that_is_called_twice_sends_one_message(backend, fallback_over, opened):
    fallback = fallback_over(replace(backend, counters=Elsewhere(backend.counters)))
    (failed,) = await opened("SMS")

    await asyncio.gather(*(fallback(failed) for _ in range(5)))

    claimed = await backend.outbox.claim(courier="c", most=10, wait_seconds=0.1)
    assert [one.message.channel for one in claimed] == ["sms", "email"]
    follower = claimed[1].message
    assert follower.to == "alice@example.test"
    assert follower.deadline == (await backend.transactions.find("t1")).expires_at


async def test_a_method_that_this_login_was_not_offered_is_no_fallback(backend, fallback, opened):
    (failed,) = await opened("SMS", methods=("SMS",))

    await fallback(failed)

    assert (await backend.transactions.find("t1")).messages == (failed.id,)
    assert len(await backend.outbox.claim(courier="c", most=10, wait_seconds=0.1)) == 1


async def test_a_message_that_flood_control_refused_has_no_fallback(backend, fallback):
    (refused,) = await waiting_for(backend, "SMS", ALL)

    await fallback(refused)

    assert (await backend.transactions.find("t1")).messages == (refused.id,)


class AwayOnce:
    """The transactions of a store that is away the first time."""

    def __init__(self, inner):
        self.inner = inner
        self.away = True

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def find(self, key):
        if self.away:
            self.away = False
            raise StoreUnavailable("gone")
        return await self.inner.find(key)


async def test_a_store_that_is_away_loses_neither_the_last_word_nor_the_fallback(
    backend, fallback_over, opened, events
):
    mail = Taking()
    fall_back = fallback_over(replace(backend, transactions=AwayOnce(backend.transactions)))
    (failed,) = await opened("SMS")
    channels = {"sms": Refusing(), "email": mail}

    async with running(courier_of(backend, None, channels=channels, fall_back=fall_back)):
        assert await word_of(backend, failed.id) == "failed"
        after = await eventually(backend, lambda ids: ids[0].startswith("email-"))
        assert await word_of(backend, after[0]) == "sent"

    assert [event["reason"] for event in events if event["event"] == "fallback.refused"] == ["gone"]


async def test_a_fallback_with_a_bug_does_not_keep_a_message_from_its_last_word(backend, fallback, opened, events):
    fallback._methods = None
    (failed,) = await opened("SMS")

    async with running(courier_of(backend, None, channels={"sms": Refusing()}, fall_back=fallback)):
        assert await word_of(backend, failed.id) == "failed"

    assert {event["reason"] for event in events if event["event"] == "fallback.error"} == {"AttributeError"}


async def eventually(backend, holds):
    """Wait until *holds* is true of the transaction's messages, and return them."""
    async with asyncio.timeout(5):
        while not holds(ids := (await backend.transactions.find("t1")).messages):
            await asyncio.sleep(0.005)
    return ids
