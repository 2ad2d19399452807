"""Remembered devices: a token spares the code, works once, and tells when it was copied."""

import asyncio

import pytest

from gateway.cli.accounts import remove_devices
from gateway.cli.command import Refused
from gateway.demo.drupal.faults import Gate
from gateway.settings import Settings
from tests.flows.steps import addresses, session_of
from tests.wire import line, request
from tests.world import KEY, OTHER_KEY, PASSWORDS, code_in

DAYS = 30
REMEMBER = {"remember": {"days": DAYS, "devices": 3}}
DAY = 86_400
OTHER_SEAL_KEY = "k2:" + "A" * 43 + "="


@pytest.fixture
async def frontend(world):
    async with world.open_gateway(policy=REMEMBER) as made:
        yield made


def named(events, name):
    return [event for event in events if event["event"] == name]


async def remembered(world, frontend, username="alice"):
    """Log in with a code and ask for the device to be remembered; return its token."""
    before = len(world.mailbox.mails)
    opened = await frontend.authenticate(username)
    assert opened.status == 200, opened.body
    return (await finished(world, frontend, opened, since=before, remember=True))["rememberToken"]


async def finished(world, frontend, opened, *, since=0, **more):
    """Type the code that has come since that number of mails."""

    def codes():
        return [mail for mail in world.mailbox.mails[since:] if not is_notice(mail)]

    await world.eventually(codes)
    answer = await frontend.login(opened, code_in(codes()[0]), **more)
    assert answer.status == 200, answer.body
    return answer


def is_notice(mail):
    return "copied" in mail.parsed["Subject"]


def was_asked(answer):
    return answer.status == 200 and "transactionID" in answer.body and not answer.cookies


# --- What it is good for ---------------------------------------------------------------------------------------------


async def test_a_remembered_device_needs_no_code_and_gets_its_next_token(world, frontend, events):
    token = await remembered(world, frontend)

    answer = await frontend.authenticate(rememberToken=token)

    assert (answer.status, answer["authType"]) == (200, "NONE")
    assert "transactionID" not in answer.body
    assert session_of(world, answer).uid == 2
    assert len(token) == len(answer["rememberToken"]) == 43
    assert answer["rememberToken"] != token
    assert [event["reason"] for event in named(events, "authenticate.exempted")] == ["remembered"]


async def test_each_token_works_once_and_the_chain_goes_on(world, frontend):
    token = await remembered(world, frontend)

    for _ in range(20):
        answer = await frontend.authenticate(rememberToken=token)
        assert answer["authType"] == "NONE"
        token = answer["rememberToken"]


async def test_the_password_is_asked_for_all_the_same(world, frontend):
    token = await remembered(world, frontend)

    assert (await frontend.authenticate("alice", "nope", rememberToken=token)).code == "credentials"
    assert (await frontend.authenticate(rememberToken=token))["authType"] == "NONE"


async def test_who_does_not_ask_for_it_is_not_remembered(world, frontend):
    opened = await frontend.authenticate()

    assert "rememberToken" not in (await finished(world, frontend, opened)).body


async def test_nobody_is_remembered_unless_policy_says_so(world):
    async with world.open_gateway() as frontend:
        opened = await frontend.authenticate()
        answer = await finished(world, frontend, opened, remember=True)

    assert "rememberToken" not in answer.body


async def test_a_wrong_code_remembers_nobody(frontend):
    opened = await frontend.authenticate()

    assert "rememberToken" not in (await frontend.login(opened, "no code", remember=True)).body


async def test_after_its_days_a_code_is_asked_for_however_often_it_came_meanwhile(world, frontend, events):
    token = await remembered(world, frontend)
    for day in (10, 20, DAYS - 0.01):
        world.clock.ahead = day * DAY
        answer = await frontend.authenticate(rememberToken=token)
        assert answer["authType"] == "NONE"
        token = answer["rememberToken"]
    world.clock.ahead = DAYS * DAY

    assert was_asked(await frontend.authenticate(rememberToken=token))
    assert not named(events, "attack.device_replayed")


async def test_who_asks_for_a_method_is_asked_for_its_code_and_keeps_the_token(world, frontend):
    token = await remembered(world, frontend)

    assert was_asked(await frontend.authenticate(rememberToken=token, authType="EMAIL"))
    assert (await frontend.authenticate(rememberToken=token))["authType"] == "NONE"


async def test_an_exempt_network_uses_up_no_token(world):
    async with world.open_gateway(policy=REMEMBER | {"exempt_networks": ["192.0.2.0/24"]}) as frontend:
        token = await remembered(world, frontend)
        office = world.visit(frontend.url, headers={"X-Forwarded-For": "192.0.2.7"})

        assert "rememberToken" not in (await office.authenticate(rememberToken=token)).body
        assert "rememberToken" in (await frontend.authenticate(rememberToken=token)).body


async def test_a_locked_account_stays_locked_for_a_remembered_device(world, frontend):
    token = await remembered(world, frontend)
    for _ in range(10):
        await frontend.login(await frontend.authenticate(), "no code")

    assert (await frontend.authenticate(rememberToken=token)).code == "account_locked"

    world.clock.ahead = 31
    assert (await frontend.authenticate(rememberToken=token))["authType"] == "NONE"


# --- Whose it is -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["x" * 43, "", "\N{SNOWMAN}" * 40, "é", "0"])
async def test_a_token_that_nobody_was_given_is_ignored(world, frontend, events, token):
    await remembered(world, frontend)

    assert was_asked(await frontend.authenticate(rememberToken=token))
    assert not named(events, "attack.device_replayed")


@pytest.mark.parametrize("token", [7, True, ["x"], {"a": "b"}, "x" * 129, "\0"])
async def test_a_token_that_is_none_is_malformed(frontend, token):
    assert (await frontend.authenticate(rememberToken=token)).code == "malformed"


async def test_a_token_is_one_accounts_alone(world, frontend):
    token = await remembered(world, frontend)

    assert was_asked(await frontend.authenticate("bob", rememberToken=token))
    assert (await frontend.authenticate(rememberToken=token))["authType"] == "NONE"


async def test_a_token_is_one_clients_alone(world, frontend):
    token = await remembered(world, frontend)
    other = world.visit(frontend.url, key=OTHER_KEY)

    assert was_asked(await other.authenticate(rememberToken=token))
    assert (await frontend.authenticate(rememberToken=token))["authType"] == "NONE"


async def test_a_token_stays_the_accounts_however_the_name_is_spelled(world, frontend):
    token = await remembered(world, frontend)

    assert (await frontend.authenticate("ÀLICE", "alice-pass-1", rememberToken=token))["authType"] == "NONE"


async def test_of_more_devices_than_allowed_the_oldest_is_forgotten(world, frontend):
    tokens = []
    for _ in range(4):
        tokens.append(await remembered(world, frontend))
        world.clock.ahead += 1

    answers = [await frontend.authenticate(rememberToken=token) for token in tokens]

    assert [was_asked(answer) for answer in answers] == [True, False, False, False]


# --- Theft -----------------------------------------------------------------------------------------------------------


async def test_a_replaced_token_forgets_all_of_the_users_and_tells_owner_and_operator(world, frontend, events):
    first, second = await remembered(world, frontend), await remembered(world, frontend)
    bobs = await remembered(world, frontend, "bob")
    renewed = (await frontend.authenticate(rememberToken=first))["rememberToken"]

    replayed = await frontend.authenticate(rememberToken=first)

    assert was_asked(replayed)
    for token in (first, second, renewed):
        assert was_asked(await frontend.authenticate(rememberToken=token))
    [event] = named(events, "attack.device_replayed")
    assert (event["uid"], event["log_level"]) == ("2", "warning")
    assert (await frontend.authenticate("bob", rememberToken=bobs))["authType"] == "NONE"
    await world.eventually(lambda: any(map(is_notice, world.mailbox.mails)))
    notices = [mail for mail in world.mailbox.mails if is_notice(mail)]
    assert [mail.recipients for mail in notices] == [("alice@example.test",)]
    assert "alice" in notices[0].plain


async def test_a_thief_can_not_shake_the_owner_off_by_going_on(world, frontend, events):
    owners = await remembered(world, frontend)
    thiefs = owners
    for _ in range(20):
        thiefs = (await frontend.authenticate(rememberToken=thiefs))["rememberToken"]

    assert was_asked(await frontend.authenticate(rememberToken=owners))

    assert named(events, "attack.device_replayed")
    assert was_asked(await frontend.authenticate(rememberToken=thiefs))


async def test_after_a_theft_a_code_lets_a_device_be_remembered_anew(world, frontend):
    token = await remembered(world, frontend)
    await frontend.authenticate(rememberToken=token)
    before = len(world.mailbox.mails)
    opened = await frontend.authenticate(rememberToken=token)
    answer = await finished(world, frontend, opened, since=before, remember=True)

    assert (await frontend.authenticate(rememberToken=answer["rememberToken"]))["authType"] == "NONE"


async def test_nobody_without_the_password_can_have_devices_forgotten(world, frontend):
    token = await remembered(world, frontend)
    renewed = (await frontend.authenticate(rememberToken=token))["rememberToken"]

    assert (await frontend.authenticate("alice", "nope", rememberToken=token)).code == "credentials"

    assert (await frontend.authenticate(rememberToken=renewed))["authType"] == "NONE"


async def test_of_many_uses_of_one_token_at_once_one_wins_and_the_rest_is_theft(world, frontend, events):
    token = await remembered(world, frontend)
    places = addresses()

    answers = await asyncio.gather(
        *(
            frontend.post(
                "authenticate",
                {"username": "alice", "password": PASSWORDS["alice"], "apiKey": KEY, "rememberToken": token},
                headers=next(places),
            )
            for _ in range(10)
        )
    )

    won = [answer for answer in answers if answer.body.get("authType") == "NONE"]
    assert [answer.status for answer in answers] == [200] * 10
    assert len(won) == 1
    assert len(named(events, "attack.device_replayed")) == 1
    assert was_asked(await frontend.authenticate(rememberToken=won[0]["rememberToken"]))


# --- Answers that do not arrive, stores that go away -------------------------------------------------------------


@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_who_left_before_the_answer_keeps_the_token_and_is_no_thief(world, frontend, events, how):
    token = await remembered(world, frontend)
    handed = len(world.drupal.ledger.alive())
    body = {"username": "alice", "password": PASSWORDS["alice"], "apiKey": KEY, "rememberToken": token}
    world.drupal.gate = Gate(after_birth=True)
    async with line(world.url) as open_line:
        await open_line.send(request("authenticate", body))
        await world.drupal.gate.reached()
        open_line.finish() if how == "FIN" else open_line.reset()
        world.drupal.gate.release()
        await world.eventually(lambda: named(events, "authenticate.client_gone"))
    world.drupal.gate = None

    again = await frontend.authenticate(rememberToken=token)

    assert named(events, "authenticate.exempted")
    assert again["authType"] == "NONE"
    assert not named(events, "attack.device_replayed")
    await world.eventually(lambda: len(world.drupal.ledger.alive()) == handed + 1)


async def test_a_token_of_an_answer_that_was_lost_on_the_way_is_taken_for_a_copy(world, frontend, events):
    """Nobody can tell the two apart: the frontend that heard nothing sends what a thief would send."""
    token = await remembered(world, frontend)
    unheard = await frontend.authenticate(rememberToken=token)
    assert unheard["authType"] == "NONE"

    assert was_asked(await frontend.authenticate(rememberToken=token))
    assert named(events, "attack.device_replayed")


class TestOnRedis:
    @pytest.fixture
    def store(self, redis_server):
        return {"kind": "redis", "url": redis_server.url}

    async def test_an_emptied_store_means_being_asked_again(self, world, frontend, redis_server, events):
        token = await remembered(world, frontend)
        redis_server.flush()

        assert was_asked(await frontend.authenticate(rememberToken=token))
        assert not named(events, "attack.device_replayed")

    async def test_a_right_code_logs_in_even_if_the_device_can_not_be_remembered(
        self, world, frontend, redis_server, events
    ):
        others = [f"~headgate:{name}*" for name in ("tx", "open", "parked", "deadlines", "outbox", "word", "count")]
        assert redis_server.ask(f"ACL SETUSER default resetkeys {' '.join(others)}") == b"+OK\r\n"
        try:
            answer = await finished(world, frontend, await frontend.authenticate(), remember=True)
        finally:
            redis_server.ask("ACL SETUSER default allkeys")

        assert "rememberToken" not in answer.body
        assert session_of(world, answer).is_alive
        assert len(named(events, "login.not_remembered")) == 1

    async def test_a_device_that_can_not_be_looked_up_is_asked_for_a_code(self, world, frontend, events, redis_server):
        token = await remembered(world, frontend)
        async with world.open_gateway(policy=REMEMBER, keys=[OTHER_SEAL_KEY]) as other:
            assert was_asked(await other.authenticate(rememberToken=token))

        assert [event["reason"] for event in named(events, "authenticate.token_unread")] == ["unsealable"]
        assert (await frontend.authenticate(rememberToken=token))["authType"] == "NONE"

    async def test_switched_off_it_means_nothing(self, world, frontend):
        token = await remembered(world, frontend)
        async with world.open_gateway() as forgetful:
            assert was_asked(await forgetful.authenticate(rememberToken=token))

    async def test_another_process_knows_the_device_and_who_used_it_first_wins(self, world, frontend, events):
        token = await remembered(world, frontend)
        async with world.open_gateway(policy=REMEMBER) as other:
            both = await asyncio.gather(
                frontend.authenticate(rememberToken=token), other.authenticate(rememberToken=token)
            )

        assert sorted(was_asked(answer) for answer in both) == [False, True]
        assert len(named(events, "attack.device_replayed")) == 1

    async def test_an_operator_can_have_devices_forgotten(self, world, frontend, events):
        tokens = [await remembered(world, frontend) for _ in range(2)]
        settings = Settings.model_validate(world.configuration(policy=REMEMBER))

        with pytest.raises(Refused):
            await remove_devices(settings, account="3")
        assert await remove_devices(settings, account="2") == ("2", 2)

        for token in tokens:
            assert was_asked(await frontend.authenticate(rememberToken=token))
        assert not named(events, "attack.device_replayed")

    async def test_nothing_in_the_store_brings_a_token_back(self, world, frontend, redis_server):
        token = await remembered(world, frontend)
        renewed = (await frontend.authenticate(rememberToken=token))["rememberToken"]

        dump = redis_server.dump()

        assert token.encode() not in dump
        assert renewed.encode() not in dump

    async def test_only_a_token_costs_a_look_at_the_enrolment(self, frontend, redis_server):
        with redis_server.watching() as seen:
            assert was_asked(await frontend.authenticate("bob"))
            assert was_asked(await frontend.authenticate("dave", rememberToken="x" * 43))

        assert [b"enrolment:" in command for command in seen].count(True) == 1
        assert [command for command in seen if b'"headgate:enrolment:5"' in command]


async def test_no_token_is_ever_logged(world, frontend, events):
    token = await remembered(world, frontend)
    renewed = (await frontend.authenticate(rememberToken=token))["rememberToken"]
    await frontend.authenticate(rememberToken=token)

    assert named(events, "attack.device_replayed")
    assert token not in str(events)
    assert renewed not in str(events)
