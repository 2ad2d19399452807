"""A code that was accepted arrives, late or not at all, and is always the same one (promises 8 and 9)."""

import asyncio
from dataclasses import replace

import pytest

from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.ledger import Ending
from tests.chaos.accounts import code_for, codes_for, crowd, mails_to
from tests.chaos.forms import form

pytestmark = pytest.mark.chaos

user = crowd(0)


def with_mail(mail: str) -> User:
    return User(uid=90, name="odd", password="odd-pass-90", mail=mail)


async def test_a_code_that_is_due_while_the_mail_server_is_down_arrives_once_it_is_up(world, start):
    [process] = await start({})
    frontend = world.visit(process.url)
    await world.mailbox.stop()
    opened = await frontend.authenticate(user.name, user.password)
    assert opened.status == 200
    await asyncio.sleep(form(short=2, long=10))
    assert (await frontend.status(opened))["delivery"] == "queued"

    await world.mailbox.start()

    code = await code_for(world, user)
    await asyncio.sleep(0.1)
    assert (await frontend.status(opened))["delivery"] == "sent"
    assert (await frontend.login(opened, code)).status == 200
    assert len(mails_to(world, user)) == 1


async def test_a_code_for_a_server_that_says_later_for_a_minute_arrives_once_it_takes_it(world, start):
    [process] = await start({})
    frontend = world.visit(process.url)
    world.mailbox.answers["RCPT"] = "451 try again later"
    opened = await frontend.authenticate(user.name, user.password)
    await asyncio.sleep(form(short=2, long=60))
    assert (await frontend.status(opened))["delivery"] == "queued"

    del world.mailbox.answers["RCPT"]

    assert (await frontend.login(opened, await code_for(world, user))).status == 200
    assert len(mails_to(world, user)) == 1
    # With pauses between: nobody is asked without end.
    assert 2 <= len(process.events("courier.delayed")) <= form(short=10, long=40)


@pytest.mark.parametrize("stage", form(short=["RCPT"], long=["MAIL", "RCPT", "DATA", "TEXT"]))
async def test_a_mail_that_is_refused_for_good_is_told_as_failed_and_not_tried_again(world, start, stage):
    [process] = await start({})
    frontend = world.visit(process.url)
    world.mailbox.answers[stage] = "550 no such user here"

    opened = await frontend.authenticate(user.name, user.password)

    await world.eventually(lambda: process.events("courier.failed"))
    await asyncio.sleep(0.1)
    assert (await frontend.status(opened))["delivery"] == "failed"
    tries = world.mailbox.seen.count(stage)
    await asyncio.sleep(1)
    assert world.mailbox.seen.count(stage) == tries == 1
    # Another try is the person's to ask for.
    del world.mailbox.answers[stage]
    assert (await frontend.resend(opened)).status == 200
    assert (await frontend.login(opened, await code_for(world, user))).status == 200


async def test_an_account_whose_address_could_be_two_recipients_has_no_destination(world, start):
    [process] = await start({})
    frontend = world.visit(process.url)
    odd = [
        "victim@example.test\r\nBcc: other@example.test",
        "victim@example.test\nRCPT TO:<other@example.test>",
        "victim@example.test, other@example.test",
        "victim@example.test other@example.test",
        "<victim@example.test>",
        '"victim"@example.test',
        "victim@[127.0.0.1]",
        "victim@",
        "@example.test",
        "victim",
        "victim@exa mple.test",
    ]
    for number, mail in enumerate(odd):
        # Each an account of its own: five right passwords without a code are all that one account has in a day.
        world.drupal.add_user(replace(with_mail(mail), uid=90 + number, name=f"odd {number}"))

        answer = await frontend.authenticate(f"odd {number}", "odd-pass-90")

        assert (answer.status, answer.code) == (422, "no_destination"), mail
        assert mail.encode() not in answer.raw
    await world.eventually(lambda: len(world.drupal.ledger.ended(Ending.LOGGED_OUT)) == len(odd))
    assert not world.mailbox.mails
    assert "RCPT" not in world.mailbox.seen
    assert not [line for line in process.log if "victim" in line]


async def test_an_address_in_a_domain_that_is_not_ascii_receives_its_code(world, start):
    [process] = await start({})
    frontend = world.visit(process.url)
    world.drupal.add_user(with_mail("victim@bücher.example"))

    opened = await frontend.authenticate("odd", "odd-pass-90")

    code = await world.code()
    assert world.mailbox.mails[0].recipients == ("victim@xn--bcher-kva.example",)
    assert (await frontend.login(opened, code)).status == 200


async def test_two_processes_that_send_again_and_again_never_send_two_codes(world, start):
    """Every mail is taken and the connection dropped without a word, so that each is sent until it is given up."""
    processes = await start({"courier": {"retry_seconds": 0.1}}, {"courier": {"retry_seconds": 0.1}})
    frontends = [world.visit(process.url) for process in processes]
    users = [crowd(number) for number in range(form(short=4, long=40))]
    world.mailbox.drops_after_text = True
    opened = await asyncio.gather(
        *(frontends[number % 2].authenticate(user.name, user.password) for number, user in enumerate(users))
    )
    for _ in range(3):
        await asyncio.gather(*(frontends[number % 2].resend(each) for number, each in enumerate(opened)))
    for each in users:
        await code_for(world, each, 3)

    world.mailbox.drops_after_text = False
    await asyncio.sleep(0.5)

    for number, (each, waiting) in enumerate(zip(users, opened, strict=True)):
        codes = codes_for(world, each)
        assert len(codes) >= 3
        assert len(set(codes)) == 1
        assert (await frontends[number % 2].login(waiting, codes[-1])).status == 200


async def test_a_courier_killed_in_the_middle_of_many_mails_loses_none(world, start):
    first, second = await start({}, {})
    frontend = world.visit(second.url)
    users = [crowd(number) for number in range(form(short=20, long=100))]
    # One address has only a quarter of Drupal's slots.
    slots = asyncio.Semaphore(4)

    async def authenticate(user):
        async with slots:
            return await frontend.authenticate(user.name, user.password)

    with world.mailbox.held("DATA"):
        opened = await asyncio.gather(*map(authenticate, users))
        await world.mailbox.reached("DATA", times=4)
        await first.kill()
        await asyncio.sleep(0.1)

    for each, waiting in zip(users, opened, strict=True):
        code = await code_for(world, each)
        assert (await frontend.login(waiting, code)).status == 200
        assert len(set(codes_for(world, each))) == 1
