import asyncio
import time

import pytest

from tests.contracts.courier.parts import (
    CODE,
    SECRET,
    Broken,
    courier_of,
    message,
    pending,
    running,
    word_of,
)


async def test_a_message_arrives_with_its_code_at_one_address_and_none_in_the_subject(
    backend, channel, mailbox, events
):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message())
    async with running(courier_of(backend, channel)):
        mail = await mailbox.mail()
        word = await word_of(backend)

    assert word == "sent"
    assert mail.recipients == ("alice@example.test",)
    assert mail.parsed.get_all("To") == ["alice@example.test"]
    assert mail.parsed["Message-ID"] == "<m1@example.org>"
    assert CODE.challenge(SECRET) in mail.plain
    assert CODE.challenge(SECRET) in mail.html
    assert CODE.challenge(SECRET) not in mail.parsed["Subject"]
    assert [event["event"] for event in events] == ["courier.sent"]


async def test_a_resend_carries_the_same_code(backend, channel, mailbox):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    async with running(courier_of(backend, channel)):
        await backend.outbox.put(message("m1"))
        first = await mailbox.mail(1)
        await backend.outbox.put(message("m2"))
        second = await mailbox.mail(2)

    assert CODE.challenge(SECRET) in first.plain
    assert CODE.challenge(SECRET) in second.plain


async def test_a_code_whose_transaction_closed_while_the_server_held_the_recipient_is_not_sent(
    backend, channel, mailbox, events
):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message())
    async with running(courier_of(backend, channel)):
        with mailbox.held("RCPT"):
            await mailbox.reached("RCPT")
            await backend.transactions.update("t1", lambda tx: tx.attempt(accepted=True, now=time.time()))
        word = await word_of(backend)

    assert word == "failed"
    assert mailbox.mails == []
    assert "DATA" not in mailbox.seen
    assert [(event["event"], event["reason"]) for event in events] == [("courier.too_late", "delivering")]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: None, "unknown"),
        (lambda: pending(expires_at=time.time() - 1), None),
        (lambda: pending().end(now=time.time()), "ended"),
        (lambda: pending().attempt(accepted=True, now=time.time()), "delivering"),
    ],
)
async def test_a_code_that_nobody_may_use_is_not_sent(backend, channel, mailbox, events, made, reason):
    transaction = made()
    if transaction is not None:
        await backend.transactions.create("t1", transaction, most=3, now=time.time() - 10)
    await backend.outbox.put(message())
    async with running(courier_of(backend, channel)):
        word = await word_of(backend)

    assert word == "failed"
    assert mailbox.mails == []
    assert events[0]["event"] == "courier.too_late"
    assert reason in (None, events[0]["reason"])


async def test_a_code_that_flood_control_refused_is_not_sent(backend, channel, mailbox, events):
    async def counted(message):
        asked.append(message)
        return False

    asked = []
    await backend.transactions.create("t1", pending(known_network=True), most=3, now=time.time())
    put = message(known_network=True)
    await backend.outbox.put(put)
    async with running(courier_of(backend, channel, counted=counted)):
        word = await word_of(backend)

    assert word == "failed"
    assert mailbox.mails == []
    assert asked == [put]
    # Nor is the server asked anything, which it may take long to answer.
    assert mailbox.seen == []
    assert [(event["event"], event["reason"]) for event in events] == [("courier.too_late", "flood")]


@pytest.mark.alone
async def test_a_server_that_comes_back_gets_the_message(backend, channel, mailbox, events):
    await mailbox.stop()
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message())
    async with running(courier_of(backend, channel)):
        await asyncio.sleep(0.4)
        await mailbox.start()
        await mailbox.mail()
        word = await word_of(backend)

    assert word == "sent"
    delayed = [event for event in events if event["event"] == "courier.delayed"]
    assert {event["reason"] for event in delayed} == {"connect"}
    # 0.4 seconds at most 50 and at least 25 ms apart, after the first two: neither idle nor spinning.
    assert 5 <= len(delayed) <= 22


async def test_a_server_that_asks_for_a_later_try_gets_the_message_later(backend, channel, mailbox):
    mailbox.once["RCPT"] = "451 4.7.1 greylisted"
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message())
    async with running(courier_of(backend, channel)):
        word = await word_of(backend)

    assert (word, len(mailbox.mails)) == ("sent", 1)


async def test_a_message_that_is_finally_refused_fails_at_once(backend, channel, mailbox, events):
    mailbox.answers["RCPT"] = "550 5.1.1 alice@example.test is unknown"
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message())
    async with running(courier_of(backend, channel)):
        word = await word_of(backend)

    assert word == "failed"
    assert mailbox.seen.count("RCPT") == 1
    assert [(event["event"], event["reason"]) for event in events] == [("courier.failed", "recipient_550")]


async def test_a_message_to_a_server_that_stays_away_has_failed_by_the_deadline(backend, channel, mailbox, events):
    await mailbox.stop()
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message(seconds=0.3))
    async with running(courier_of(backend, channel)):
        word = await word_of(backend, seconds=0.6)

    assert word == "failed"
    # The deadline may come between two tries or in the last one.
    assert (events[-1]["event"], events[-1]["reason"]) in [
        ("courier.failed", "connect"),
        ("courier.too_late", "deadline"),
    ]


async def test_a_server_that_drips_past_the_deadline_is_cut(backend, channel, mailbox, events):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    async with running(courier_of(backend, channel)):
        await backend.outbox.put(message("m1"))
        await mailbox.mail(1)
        mailbox.seconds_per_byte = 0.1
        await backend.outbox.put(message("m2", seconds=0.4))
        started = time.monotonic()
        word = await word_of(backend, "m2")
        took = time.monotonic() - started
        await asyncio.sleep(0.15)

    assert word == "failed"
    assert 0.3 < took < 0.8
    assert (events[-1]["event"], events[-1]["reason"]) == ("courier.too_late", "deadline")
    assert len(mailbox.mails) == 1
    assert not mailbox.open_connections


async def test_a_message_whose_deadline_is_over_never_reaches_the_server(backend, channel, mailbox):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message(seconds=-1))
    async with running(courier_of(backend, channel)):
        word = await word_of(backend)

    assert word == "failed"
    assert mailbox.mails == []


async def test_a_warning_to_an_account_needs_no_transaction(backend, channel, mailbox):
    await backend.outbox.put(message(subject="locked", transaction=None))
    async with running(courier_of(backend, channel)):
        mail = await mailbox.mail()

    assert mail.parsed["Subject"] == "Somebody knows your password for Example"


@pytest.mark.parametrize("to", ["a@example.test\r\nBcc: b@example.test", "a@example.test, b@example.test", ""])
async def test_what_is_not_one_address_fails_and_nothing_is_sent(backend, channel, mailbox, to):
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message(to=to))
    async with running(courier_of(backend, channel)):
        word = await word_of(backend)

    assert (word, mailbox.mails) == ("failed", [])


async def test_a_message_for_a_channel_that_is_no_longer_configured_fails(backend, channel, events):
    await backend.outbox.put(message(channel="sms"))
    async with running(courier_of(backend, channel)):
        word = await word_of(backend)

    assert word == "failed"
    assert events[0]["reason"] == "no_channel"


async def test_a_message_that_raises_unexpectedly_ends_as_failed_and_hurts_no_other(backend, channel, mailbox, events):
    broken = Broken()
    await backend.transactions.create("t1", pending(), most=3, now=time.time())
    await backend.outbox.put(message("m1", channel="broken"))
    await backend.outbox.put(message("m2"))
    async with running(courier_of(backend, channel, channels={"email": channel, "broken": broken})):
        words = [await word_of(backend, "m1"), await word_of(backend, "m2")]

    assert words == ["failed", "sent"]
    assert broken.tries == 5
    assert [event["event"] for event in events if event.get("message_id") == "m1"][-1] == "courier.poison"


async def test_no_event_carries_a_code_a_name_or_an_address(backend, channel, mailbox, events):
    mailbox.once.update(MAIL="451 alice@example.test", RCPT="451 alice@example.test", TEXT="451 alice@example.test")
    await backend.transactions.create("t1", pending(username="alice"), most=3, now=time.time())
    channels = {"email": channel, "broken": Broken()}
    async with running(courier_of(backend, channel, channels=channels)):
        await backend.outbox.put(message("m1"))
        await backend.outbox.put(message("m2", channel="broken"))
        await backend.outbox.put(message("m3", to="alice@example.test, b@example.test"))
        for id in ("m1", "m2", "m3"):
            await word_of(backend, id)

    told = repr(events)
    assert len(events) >= 8
    assert "alice" not in told
    assert "@" not in told
    assert CODE.challenge(SECRET) not in told
