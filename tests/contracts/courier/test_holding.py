import asyncio
import time

from gateway.errors import StoreUnavailable
from gateway.interfaces import Claimed
from tests.contracts.courier.parts import (
    CLAIM_SECONDS,
    CODE,
    SECRET,
    Away,
    Slow,
    courier_of,
    message,
    pending,
    replace_options,
    running,
    word_of,
)


async def test_a_message_claimed_for_the_fifth_time_ends_as_failed_untried(backend, outbox, channel, mailbox, events):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    outbox.first = [Claimed(receipt="m1", message=message(), times=5)]
    async with running(courier_of(backend, channel, outbox=outbox)):
        word = await word_of(backend)

    assert word == "failed"
    assert mailbox.connections == 0
    assert [event["event"] for event in events] == ["courier.poison"]


async def test_a_message_that_can_not_be_read_is_forgotten_with_an_event(backend, outbox, channel, events):
    outbox.first = [Claimed(receipt="m1", message=None, times=1)]
    async with running(courier_of(backend, channel, outbox=outbox)):
        word = await word_of(backend)

    assert word == "failed"
    assert [event["event"] for event in events] == ["courier.unreadable"]


async def test_the_last_word_is_kept_a_minute_longer_than_the_message(backend, outbox, channel):
    sent = message()
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await outbox.put(sent)
    async with running(courier_of(backend, channel, outbox=outbox)):
        await word_of(backend)

    assert outbox.finished[0][2] == sent.deadline + 60


async def test_a_store_that_is_away_neither_ends_the_courier_nor_makes_it_spin(backend, outbox, channel, events):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    outbox.away = True
    async with running(courier_of(backend, channel, outbox=outbox)):
        await asyncio.sleep(0.4)
        claims = outbox.claims
        outbox.away = False
        await outbox.put(message())
        word = await word_of(backend)

    assert word == "sent"
    assert 5 <= claims <= 22
    assert {event["event"] for event in events[:-1]} == {"courier.store_unavailable"}


async def test_a_store_that_goes_away_after_the_mail_gets_the_last_word_later_and_no_second_mail_is_sent(
    backend, outbox, channel, mailbox
):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await outbox.put(message())
    async with running(courier_of(backend, channel, outbox=outbox)):
        with mailbox.held("TEXT"):
            await mailbox.reached("TEXT")
            outbox.away = True
        await mailbox.mail()
        await asyncio.sleep(0.1)
        outbox.away = False
        word = await word_of(backend)

    assert (word, len(mailbox.mails)) == ("sent", 1)


async def test_a_store_that_is_away_when_the_code_is_due_sends_nothing_until_it_is_back(
    backend, channel, mailbox, events
):
    class Transactions:
        away = True

        async def find(self, key):
            if self.away:
                raise StoreUnavailable("gone")
            return await backend.transactions.find(key)

    transactions = Transactions()
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message())
    async with running(courier_of(backend, channel, transactions=transactions)):
        await mailbox.reached("RSET", times=2)
        sent_meanwhile = len(mailbox.mails)
        transactions.away = False
        word = await word_of(backend)

    assert (sent_meanwhile, word, len(mailbox.mails)) == (0, "sent", 1)
    assert mailbox.connections == 1
    assert events[0]["reason"] == "gone"


async def test_a_message_that_takes_long_is_given_to_no_other_courier(backend, outbox, channel, mailbox):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await outbox.put(message())
    async with running(courier_of(backend, channel, outbox=outbox)), running(courier_of(backend, channel)):
        with mailbox.held("DATA"):
            await mailbox.reached("DATA")
            await asyncio.sleep(CLAIM_SECONDS * 3)
        await word_of(backend)

    assert len(mailbox.mails) == 1
    assert mailbox.seen.count("DATA") == 1


async def test_the_message_of_a_silent_courier_is_sent_by_another_with_the_same_code(backend, channel, mailbox):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message())
    with mailbox.held("TEXT"):
        killed = asyncio.create_task(courier_of(backend, channel).run())
        await mailbox.reached("TEXT")
        killed.cancel()
        await asyncio.wait([killed])
    mailbox.mails.clear()
    async with running(courier_of(backend, channel)):
        mail = await mailbox.mail()
        word = await word_of(backend)

    assert word == "sent"
    assert CODE.challenge(SECRET) in mail.plain


async def test_a_message_that_is_given_to_the_same_courier_again_is_sent_once(backend, outbox, channel, mailbox):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await outbox.put(message())
    async with running(courier_of(backend, channel, outbox=outbox)):
        with mailbox.held("DATA"):
            await mailbox.reached("DATA")
            outbox.first = [Claimed(receipt="m1", message=message(), times=2)]
            await asyncio.sleep(0.2)
        await word_of(backend)
        await asyncio.sleep(0.05)

    assert len(mailbox.mails) == 1


async def test_messages_that_wait_for_another_try_do_not_hold_up_new_ones(backend, channel, mailbox):
    options = replace_options(busy=2, held=50)
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    for number in range(10):
        await backend.outbox.put(message(f"away{number}", channel="sms"))
    await backend.outbox.put(message())
    async with running(courier_of(backend, channel, channels={"email": channel, "sms": Away()}, options=options)):
        word = await word_of(backend)

    assert word == "sent"


async def test_no_more_are_on_their_way_at_once_than_configured(backend, channel, mailbox):
    slow = Slow()
    for number in range(20):
        await backend.outbox.put(message(f"m{number}"))
    courier = courier_of(backend, channel, channels={"email": slow}, options=replace_options(busy=3))
    async with running(courier):
        for number in range(20):
            await word_of(backend, f"m{number}")

    assert slow.most == 3


async def test_a_stop_waits_for_a_message_that_is_on_its_way(backend, channel, mailbox):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message())
    courier = courier_of(backend, channel)
    task = asyncio.create_task(courier.run())
    with mailbox.held("TEXT"):
        await mailbox.reached("TEXT")
        courier.stop()
        await asyncio.sleep(0.05)
        stopped_early = task.done()
    await asyncio.wait_for(task, 1)

    assert not stopped_early
    assert await word_of(backend) == "sent"


async def test_a_stop_claims_nothing_more_and_gives_the_rest_back_within_the_grace(backend, channel, mailbox, events):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message("stuck"))
    await backend.outbox.put(message("resting", channel="sms"))
    options = replace_options(grace_seconds=0.2, retry_seconds=10, retry_most_seconds=10)
    courier = courier_of(backend, channel, channels={"email": channel, "sms": Away()}, options=options)
    task = asyncio.create_task(courier.run())
    with mailbox.held("RCPT"):
        await mailbox.reached("RCPT")
        courier.stop()
        await backend.outbox.put(message("new"))
        started = time.monotonic()
        await asyncio.wait_for(task, 2)
        took = time.monotonic() - started

    assert took < 0.5
    assert await backend.outbox.words(["stuck", "resting", "new"]) == ["queued"] * 3
    assert [event["event"] for event in events].count("courier.given_back") == 2
    await asyncio.sleep(CLAIM_SECONDS)
    async with running(courier_of(backend, channel, channels={"email": channel, "sms": channel})):
        assert [await word_of(backend, id) for id in ("stuck", "resting", "new")] == ["sent"] * 3


async def test_an_idle_courier_stops_at_once(backend, channel):
    courier = courier_of(backend, channel)
    task = asyncio.create_task(courier.run())
    await asyncio.sleep(0.01)
    courier.stop()

    await asyncio.wait_for(task, 0.2)


async def test_a_bug_with_one_message_ends_neither_the_loop_nor_the_others(backend, outbox, channel, mailbox, events):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    outbox.first = [Claimed(receipt="m0", message=message("m0", deadline="soon"), times=1)]
    async with running(courier_of(backend, channel, outbox=outbox)):
        await outbox.put(message())
        word = await word_of(backend)

    assert word == "sent"
    assert ("courier.error", "TypeError") in [(event["event"], event.get("reason")) for event in events]
