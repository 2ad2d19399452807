"""A right password after which no code is sent: its owner hears of it, and nobody can try passwords unnoticed."""

import asyncio

import pytest

from gateway.demo.drupal.faults import Endpoint, Fault, Kind
from gateway.flood.limits import PASSWORD_TESTS
from tests.flows.apps import APP, ON, mark
from tests.flows.steps import all_ended
from tests.world import code_in

DAY = 86_400
TEXTS = {"sms": {"kind": "console"}}


@pytest.fixture
async def frontend(world):
    """Its site sends texts, and alice has no number."""
    world.drupal.accounts.change(2, phone="")
    async with world.open_gateway(channels=TEXTS) as made:
        yield made


async def tested(frontend, **more):
    answer = await frontend.authenticate("alice", **({"authType": "SMS"} | more))
    assert answer.status != 200
    return answer.code


def is_notice(mail):
    return mail.parsed["Subject"] == "Somebody used your password"


def warned(events):
    return [event for event in events if event["event"] == "attack.password_tested"]


@pytest.mark.parametrize("word", ["X", "SMS", "email", "NONE", "", APP])
async def test_a_method_that_the_site_does_not_offer_is_refused_before_the_password_is_checked(world, word):
    async with world.open_gateway() as frontend:
        right = await frontend.authenticate(authType=word)
        wrong = await frontend.authenticate(password="nope", authType=word)

    assert (right.status, right.code) == (403, "not_enrolled")
    assert right.raw == wrong.raw
    assert not world.drupal.calls


async def test_a_method_that_the_account_does_not_have_tells_its_owner(world, frontend):
    assert await tested(frontend) == "not_enrolled"

    mail = await world.mailbox.mail()
    assert mail.parsed["Subject"] == "Somebody used your password"
    assert mail.recipients == ("alice@example.test",)
    await all_ended(world)


async def test_an_app_that_the_account_does_not_have_tells_its_owner_too(world):
    await mark(world)
    async with world.open_gateway(**ON) as frontend:
        assert await tested(frontend, authType=APP) == "not_enrolled"

        assert (await world.mailbox.mail()).parsed["Subject"] == "Somebody used your password"


async def test_an_account_that_no_allowed_method_reaches_tells_its_owner_at_the_address_that_it_has(world):
    world.drupal.accounts.change(2, phone="")
    async with world.open_gateway(channels=TEXTS, method="SMS", policy={"methods": ["SMS"]}) as frontend:
        assert await tested(frontend, authType=None) == "no_destination"

        assert (await world.mailbox.mail()).recipients == ("alice@example.test",)


async def test_a_rule_that_needs_roles_that_drupal_does_not_show_tells_the_owner(world):
    async with world.open_gateway(policy={"exempt_roles": ["kiosk"]}) as frontend:
        assert await tested(frontend, authType=None) == "policy_unreadable"

        assert (await world.mailbox.mail()).parsed["Subject"] == "Somebody used your password"


async def test_the_owner_is_told_once_a_day(world, frontend):
    for _ in range(3):
        assert await tested(frontend) == "not_enrolled"
    await world.mailbox.mail()
    world.clock.ahead = DAY + 1
    for _ in range(2):
        assert await tested(frontend) == "not_enrolled"

    await world.mailbox.mail(2)
    await asyncio.sleep(0.1)
    assert len(world.mailbox.mails) == 2


async def test_a_few_a_day_are_an_attack_and_more_are_refused(world, frontend, events):
    for _ in range(PASSWORD_TESTS):
        assert not warned(events)
        assert await tested(frontend) == "not_enrolled"

    refused = await frontend.authenticate(authType="SMS")

    assert [(event["uid"], event["count"], event["log_level"]) for event in warned(events)] == [
        ("2", PASSWORD_TESTS, "warning")
    ]
    assert (refused.status, refused.code) == (429, "flood")
    assert DAY - 30 <= int(refused.headers["Retry-After"]) <= DAY
    await all_ended(world)


@pytest.mark.alone
async def test_from_forty_addresses_at_once_it_is_as_often_and_one_mail(world, frontend, events):
    answers = await asyncio.gather(
        *(
            frontend.post(
                "authenticate",
                {"username": "alice", "password": "alice-pass-1", "apiKey": frontend.key, "authType": "SMS"},
                headers={"X-Forwarded-For": f"198.51.100.{number}"},
            )
            for number in range(40)
        )
    )

    assert [answer.code for answer in answers].count("not_enrolled") == PASSWORD_TESTS
    assert {answer.code for answer in answers} == {"not_enrolled", "flood"}
    assert len(warned(events)) == 1
    await world.mailbox.mail()
    await asyncio.sleep(0.1)
    assert len(world.mailbox.mails) == 1


async def test_tests_of_a_password_do_not_keep_its_owner_out(world, frontend):
    for _ in range(PASSWORD_TESTS + 1):
        await tested(frontend)

    opened = await frontend.authenticate()

    assert opened.status == 200
    await world.mailbox.mail(2)
    [code] = [code_in(mail) for mail in world.mailbox.mails if not is_notice(mail)]
    assert (await frontend.login(opened, code)).status == 200


async def test_wrong_passwords_and_logins_with_a_code_are_no_tests(world, frontend, events):
    for _ in range(PASSWORD_TESTS + 1):
        await frontend.authenticate("bob")
    for _ in range(3):
        assert await tested(frontend, password="nope") == "credentials"

    assert not warned(events)
    assert not any(map(is_notice, world.mailbox.mails))
    assert await tested(frontend) == "not_enrolled"


async def test_without_an_address_it_is_counted_all_the_same(world, frontend, events):
    world.drupal.fault = Fault(kind=Kind.HTML, at=Endpoint.CONTACTS)
    for _ in range(PASSWORD_TESTS):
        assert await tested(frontend, authType=None) == "drupal_invalid"
    world.drupal.fault = None

    assert await tested(frontend) == "flood"
    assert len(warned(events)) == 1
