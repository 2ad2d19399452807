"""Authenticator apps: enrolled for a fresh second factor, asked for instead of mail, each code good once."""

import asyncio
import base64
import os
from collections import Counter

import pytest

from gateway.cli.accounts import remove_factors
from gateway.demo.drupal.faults import Endpoint, Fault, Kind
from gateway.settings import Settings
from tests.flows.apps import (
    APP,
    FIREFOX,
    ON,
    RECOVERY,
    SAFARI,
    STEP,
    app_code,
    ask,
    by_mail,
    early_in_a_step,
    enrol,
    mail_about,
    mailed_code,
    mailed_codes,
    mark,
    methods,
    mistyped,
    subjects,
)
from tests.flows.steps import alike, all_ended
from tests.world import OTHER_KEY, a_world, start_gateway

ENDPOINTS = ["totp/enroll", "totp/confirm", "totp/remove", "recovery-codes"]


@pytest.fixture
async def world(store, drupal_options):
    async with a_world(store=store, drupal=drupal_options, **ON) as made:
        await mark(made)
        yield made


# Logging in


async def test_a_code_that_oathtool_makes_of_the_enrolled_secret_logs_in_and_nothing_is_sent(world, frontend):
    alice = await enrol(world, frontend)
    mails = len(world.mailbox.mails)

    opened = await frontend.authenticate()
    won = await frontend.login(opened, app_code(alice.secret, world.clock()))

    assert (opened["authType"], opened["destination"]) == (APP, "")
    assert opened["methods"] == [APP, "EMAIL", RECOVERY]
    assert "•" not in opened["message"]
    assert (won.status, won["userprofile"]["name"]) == (200, [{"value": "alice"}])
    assert won.cookies
    assert won["manageToken"]
    assert len(world.mailbox.mails) == mails


async def test_the_same_code_a_second_time_does_not(world, frontend):
    alice = await enrol(world, frontend)
    code = app_code(alice.secret, world.clock())
    assert (await frontend.login(await frontend.authenticate(), code)).status == 200

    again = await frontend.login(await frontend.authenticate(), code)

    assert (again.status, again.code, again["attemptsLeft"]) == (403, "wrong_otp", 4)


async def test_the_code_that_enrolled_the_app_logs_nobody_in(world, frontend):
    alice = await enrol(world, frontend)

    answer = await frontend.login(await frontend.authenticate(), app_code(alice.secret, world.clock() - STEP))

    assert answer.code == "wrong_otp"


@pytest.mark.parametrize(("late", "status"), [(-2, 403), (-1, 200), (0, 200), (1, 200), (2, 403)])
async def test_a_clock_may_be_one_step_off(world, frontend, late, status):
    alice = await enrol(world, frontend)
    world.clock.ahead += 10 * STEP
    await early_in_a_step()

    answer = await frontend.login(await frontend.authenticate(), app_code(alice.secret, world.clock() + late * STEP))

    assert answer.status == status


async def test_after_a_later_code_an_earlier_one_is_spent_too(world, frontend):
    alice = await enrol(world, frontend)
    assert (
        await frontend.login(await frontend.authenticate(), app_code(alice.secret, world.clock() + STEP))
    ).status == 200

    answer = await frontend.login(await frontend.authenticate(), app_code(alice.secret, world.clock()))

    assert answer.code == "wrong_otp"


async def test_of_many_right_codes_at_once_on_several_logins_one_wins(world, frontend):
    alice = await enrol(world, frontend)
    opened = [await frontend.authenticate() for _ in range(3)]
    code = app_code(alice.secret, world.clock())

    answers = await asyncio.gather(*(frontend.login(each, code) for each in opened * 5))

    assert [answer.status for answer in answers].count(200) == 1
    assert len([answer for answer in answers if answer.cookies]) == 1


async def test_a_wrong_code_costs_an_attempt_and_the_fifth_ends_the_login(world, frontend):
    alice = await enrol(world, frontend)
    opened = await frontend.authenticate()
    code = app_code(alice.secret, world.clock())

    wrong = [await frontend.login(opened, mistyped(code)) for _ in range(5)]

    assert [answer["attemptsLeft"] for answer in wrong] == [4, 3, 2, 1, 0]
    assert (await frontend.login(opened, code)).code == "transaction_closed"
    await world.eventually(lambda: len(world.drupal.ledger.alive()) == 1)


async def test_of_fifty_wrong_codes_at_once_exactly_as_many_are_compared_as_there_are_attempts(world, frontend):
    alice = await enrol(world, frontend)
    opened = await frontend.authenticate()
    code = mistyped(app_code(alice.secret, world.clock()))

    answers = await asyncio.gather(*(frontend.login(opened, code) for _ in range(50)))

    assert Counter(answer.code for answer in answers) == {"wrong_otp": 5, "transaction_closed": 45}


async def test_ten_wrong_codes_of_an_app_lock_the_account_as_mailed_ones_do(world, frontend):
    alice = await enrol(world, frontend)
    for _ in range(2):
        opened = await frontend.authenticate()
        for _ in range(5):
            await frontend.login(opened, mistyped(app_code(alice.secret, world.clock())))

    assert (await frontend.authenticate()).code == "account_locked"
    await world.eventually(lambda: "Somebody knows your password" in subjects(world))


@pytest.mark.parametrize("typed", ["", "no code", "1" * 64, "١٢٣٤٥٦", "0000000000", "é", "-"])
async def test_whatever_is_typed_is_wrong_and_no_error(world, frontend, typed):
    await enrol(world, frontend)

    assert (await frontend.login(await frontend.authenticate(), typed)).code == "wrong_otp"


async def test_an_apps_code_may_be_typed_with_a_space_and_in_other_digits(world, frontend):
    alice = await enrol(world, frontend)
    code = app_code(alice.secret, world.clock())
    arabic = code.translate({ord(str(digit)): chr(0x660 + digit) for digit in range(10)})

    assert (await frontend.login(await frontend.authenticate(), f"{arabic[:3]} {arabic[3:]}")).status == 200


async def test_who_has_no_app_can_not_be_asked_for_one(world, frontend):
    answer = await frontend.authenticate("bob", authType=APP)

    assert (answer.status, answer.code) == (403, "not_enrolled")
    await all_ended(world)


async def test_mail_can_still_be_asked_for(world, frontend):
    await enrol(world, frontend)

    assert (await by_mail(world, frontend)).status == 200


async def test_a_site_may_ask_for_mail_first(world):
    async with world.open_gateway(totp={"enabled": True, "prefer": False}) as frontend:
        alice = await enrol(world, frontend)

        opened = await frontend.authenticate()
        assert (opened["authType"], opened["methods"]) == ("EMAIL", ["EMAIL", APP, RECOVERY])

        opened = await frontend.authenticate(authType=APP)
        assert (await frontend.login(opened, app_code(alice.secret, world.clock()))).status == 200


async def test_an_account_that_nothing_reaches_logs_in_with_its_app(world, frontend):
    alice = await enrol(world, frontend)
    world.drupal.accounts.change(2, mail=None)

    opened = await frontend.authenticate()
    won = await frontend.login(opened, app_code(alice.secret, world.clock()))

    assert opened["methods"] == [APP, RECOVERY]
    assert won.status == 200


# With a policy


async def test_a_policy_on_methods_decides_whether_and_in_which_order_apps_are_asked_for(world):
    policy = {"methods": ["EMAIL", APP]}
    async with world.open_gateway(policy=policy) as frontend:
        alice = await enrol(world, frontend)

        assert await methods(world, frontend) == ["EMAIL", APP]
        opened = await frontend.authenticate(authType=APP)
        assert (await frontend.login(opened, app_code(alice.secret, world.clock()))).status == 200
        assert (await frontend.authenticate(authType=RECOVERY)).code == "not_enrolled"


async def test_who_needs_no_code_gets_no_token_to_change_factors_with(world):
    async with world.open_gateway(
        policy={"exempt_networks": ["127.0.0.0/8"]}, trusted_proxies=["192.0.2.1"]
    ) as frontend:
        exempted = await frontend.authenticate()

        assert exempted["authType"] == "NONE"
        assert "manageToken" not in exempted.body
        # Who asks for a code gets one, and so can enrol.
        assert (await by_mail(world, frontend))["manageToken"]


async def test_a_remembered_device_is_kept_beside_an_app_and_by_its_code(world):
    async with world.open_gateway(policy={"remember": {"days": 30}}) as frontend:
        alice = await enrol(world, frontend)
        opened = await frontend.authenticate()
        won = await frontend.login(opened, app_code(alice.secret, world.clock()), remember=True)

        assert (await frontend.authenticate(rememberToken=won["rememberToken"]))["authType"] == "NONE"
        assert await methods(world, frontend) == [APP, "EMAIL", RECOVERY]


# Switching


async def test_a_switch_to_the_app_needs_no_wait_and_costs_no_resend(world):
    async with world.open_gateway(code={"resend_wait_seconds": 60}) as frontend:
        alice = await enrol(world, frontend)
        mails = len(world.mailbox.mails)
        opened = await frontend.authenticate(authType="EMAIL")
        await world.mailbox.mail(mails + 1)

        switched = await frontend.resend(opened, switchTo=APP)

        assert (switched.status, switched["resendsLeft"], switched["authType"]) == (200, 3, APP)
        assert (await frontend.status(opened))["delivery"] == "sent"
        assert (await frontend.login(switched, app_code(alice.secret, world.clock()))).status == 200
        assert len(world.mailbox.mails) == mails + 1


async def test_who_was_asked_for_the_app_can_have_a_mail_at_once(world):
    async with world.open_gateway(code={"resend_wait_seconds": 60}) as frontend:
        await enrol(world, frontend)
        mails = len(mailed_codes(world))
        opened = await frontend.authenticate()
        assert opened["resendIn"] == 0

        switched = await frontend.resend(opened, switchTo="EMAIL")

        assert (switched.status, switched["resendIn"], switched["resendsLeft"]) == (200, 60, 2)
        assert (await frontend.login(switched, await mailed_code(world, mails + 1))).status == 200


@pytest.mark.parametrize("way", [APP, RECOVERY])
@pytest.mark.parametrize("code", [{"resend_wait_seconds": 60}, {"resends": 0}], ids=["wait", "resends"])
async def test_who_comes_back_to_the_mail_can_type_the_code_that_is_there(world, way, code):
    async with world.open_gateway(code=code) as frontend:
        await enrol(world, frontend)
        mails = len(mailed_codes(world))
        opened = await frontend.authenticate(authType="EMAIL")
        mailed = await mailed_code(world, mails + 1)
        switched = await frontend.resend(opened, switchTo=way)
        assert switched["destination"] == ""

        back = await frontend.resend(switched, switchTo="EMAIL")

        assert (back.status, back["authType"], back["destination"]) == (200, "EMAIL", opened["destination"])
        assert back["resendsLeft"] == code.get("resends", 3)
        # It came back to what was sent, and that is not sent again.
        assert (await frontend.resend(back)).code == "too_soon"
        await asyncio.sleep(0.2)
        assert len(mailed_codes(world)) == mails + 1
        status = await frontend.status(back)
        assert (status["delivery"], status["carriedBy"]) == ("sent", "EMAIL")
        assert (await frontend.login(back, mailed)).status == 200


async def test_who_comes_back_when_another_may_be_sent_gets_another(world, frontend):
    await enrol(world, frontend)
    mails = len(mailed_codes(world))
    opened = await frontend.authenticate(authType="EMAIL")
    switched = await frontend.resend(opened, switchTo=APP)

    back = await frontend.resend(switched, switchTo="EMAIL")

    assert back["resendsLeft"] == 2
    assert await mailed_code(world, mails + 2) == await mailed_code(world, mails + 1)


async def test_what_was_never_sent_is_not_come_back_to(world):
    """Somebody who starts with the app and has used up what may be sent has no mailed code."""
    async with world.open_gateway(code={"resends": 0}) as frontend:
        await enrol(world, frontend)
        opened = await frontend.authenticate()

        assert opened["authType"] == APP
        assert (await frontend.resend(opened, switchTo="EMAIL")).code == "too_soon"


async def test_a_switch_buys_no_attempts(world, frontend):
    await enrol(world, frontend)
    opened = await frontend.authenticate()
    for left in (4, 3, 2, 1):
        assert (await frontend.login(opened, "000 000 0"))["attemptsLeft"] == left
        to = "EMAIL" if opened["authType"] == APP else APP
        if left > 2:
            opened = await frontend.resend(opened, switchTo=to)

    assert (await frontend.login(opened, "000 000 0"))["attemptsLeft"] == 0
    assert (await frontend.login(opened, "000 000 0")).code == "transaction_closed"


async def test_a_mailed_code_is_none_of_the_app_and_an_apps_code_none_of_the_mail(world, frontend):
    alice = await enrol(world, frontend)
    mails = len(mailed_codes(world))
    opened = await frontend.authenticate(authType="EMAIL")
    mailed = await mailed_code(world, mails + 1)

    assert (await frontend.login(opened, app_code(alice.secret, world.clock()))).code == "wrong_otp"
    switched = await frontend.resend(opened, switchTo=APP)
    assert (await frontend.login(switched, mailed)).code == "wrong_otp"
    # And whoever still says EMAIL speaks of another login.
    assert (await frontend.login(opened, mailed)).code == "transaction_closed"


async def test_a_switch_to_an_app_that_is_not_there_is_refused(world, frontend):
    opened = await frontend.authenticate("bob")

    assert (await frontend.resend(opened, switchTo=APP)).code == "not_enrolled"


# The token


async def test_no_other_token_is_good_and_all_are_refused_alike(world, frontend):
    token = (await by_mail(world, frontend))["manageToken"]
    other = world.visit(frontend.url, key=OTHER_KEY)
    half = len(token) // 2
    altered = token[:half] + ("A" if token[half] != "A" else "B") + token[half + 1 :]
    for endpoint in ENDPOINTS:
        refused = [
            await ask(frontend, endpoint, bad, otp="000000")
            for bad in ("", "nonsense", "é", altered, token[:-8], "A" * 4096)
        ]
        refused.append(await ask(other, endpoint, token, otp="000000"))

        assert {(answer.status, answer.code) for answer in refused} == {(403, "transaction_closed")}
        assert len({repr(alike(answer)) for answer in refused}) == 1


async def test_a_token_is_good_for_ten_minutes(world, frontend):
    token = (await by_mail(world, frontend))["manageToken"]
    world.clock.ahead += 595
    assert (await ask(frontend, "totp/enroll", token)).status == 200
    world.clock.ahead += 10

    assert (await ask(frontend, "totp/enroll", token)).code == "transaction_closed"


async def test_a_token_says_nothing_to_who_reads_it(world, frontend):
    token = (await by_mail(world, frontend))["manageToken"]

    sealed = base64.urlsafe_b64decode(token)

    assert b"alice" not in sealed
    assert b"example.test" not in sealed


async def test_a_token_is_the_accounts_own(world, frontend):
    bob = (await by_mail(world, frontend, "bob"))["manageToken"]
    await ask(frontend, "totp/enroll", bob)

    alice = (await by_mail(world, frontend))["manageToken"]

    assert (await ask(frontend, "totp/confirm", alice, otp="000000")).code == "not_enrolled"


# Enrolling


async def test_the_secret_comes_typed_as_a_link_and_as_a_picture(world, frontend):
    token = (await by_mail(world, frontend))["manageToken"]

    proposed = await ask(frontend, "totp/enroll", token)

    assert len(base64.b32decode(proposed["secret"])) == 20
    assert proposed["otpauth"] == f"otpauth://totp/Headgate:alice?secret={proposed['secret']}&issuer=Headgate"
    assert proposed["qr"].startswith("<svg ")
    assert proposed["qr"].endswith("</svg>")
    assert proposed.headers["Cache-Control"] == "no-store"


async def test_a_proposal_alone_changes_nothing(world, frontend):
    token = (await by_mail(world, frontend))["manageToken"]
    await ask(frontend, "totp/enroll", token)

    assert await methods(world, frontend) == ["EMAIL"]


async def test_a_second_proposal_replaces_the_first(world, frontend):
    token = (await by_mail(world, frontend))["manageToken"]
    first, second = [(await ask(frontend, "totp/enroll", token))["secret"] for _ in range(2)]

    assert (await ask(frontend, "totp/confirm", token, otp=app_code(first, world.clock()))).code == "wrong_otp"
    assert (await ask(frontend, "totp/confirm", token, otp=app_code(second, world.clock()))).status == 200


async def test_a_proposal_is_good_for_ten_minutes_whoever_logs_in_again(world, frontend):
    token = (await by_mail(world, frontend))["manageToken"]
    secret = (await ask(frontend, "totp/enroll", token))["secret"]
    world.clock.ahead += 601
    token = (await by_mail(world, frontend))["manageToken"]

    answer = await ask(frontend, "totp/confirm", token, otp=app_code(secret, world.clock()))

    assert answer.code == "not_enrolled"


async def test_of_several_confirmations_at_once_one_is_done(world, frontend):
    token = (await by_mail(world, frontend))["manageToken"]
    secret = (await ask(frontend, "totp/enroll", token))["secret"]
    code = app_code(secret, world.clock())

    answers = await asyncio.gather(*(ask(frontend, "totp/confirm", token, otp=code) for _ in range(6)))

    assert [answer.status for answer in answers].count(200) == 1
    assert {answer.code for answer in answers} <= {None, "not_enrolled", "factor_busy"}


async def test_a_confirmation_puts_the_new_app_in_the_place_of_the_old_one(world, frontend):
    old = await enrol(world, frontend)
    world.clock.ahead += 2 * STEP
    new = await enrol(world, frontend, current=app_code(old.secret, world.clock()))

    assert (
        await frontend.login(await frontend.authenticate(), app_code(old.secret, world.clock()))
    ).code == "wrong_otp"
    opened = await frontend.authenticate(authType=RECOVERY)
    assert (await frontend.login(opened, old.codes[0])).code == "wrong_otp"
    assert (await frontend.login(await frontend.authenticate(), app_code(new.secret, world.clock()))).status == 200


@pytest.mark.parametrize("endpoint", ["totp/confirm", "totp/remove"])
async def test_wrong_codes_here_count_as_those_of_a_login_and_lock_the_account(world, frontend, endpoint):
    alice = await enrol(world, frontend)
    frontend.headers["User-Agent"] = FIREFOX
    await ask(frontend, "totp/enroll", alice.token)

    wrong = [await ask(frontend, endpoint, alice.token, otp="0000 000") for _ in range(10)]

    assert [(answer.code, answer["attemptsLeft"]) for answer in wrong] == [
        ("wrong_otp", left) for left in range(9, -1, -1)
    ]
    assert (await ask(frontend, endpoint, alice.token, otp="0000 000")).code == "account_locked"
    assert (await frontend.authenticate()).code == "account_locked"
    assert "Browser: Firefox, Linux" in await mail_about(world, "Somebody knows your password")


async def test_a_code_of_ones_own_proposal_clears_no_count(world, frontend):
    alice = await enrol(world, frontend)
    for _ in range(9):
        await ask(frontend, "totp/remove", alice.token, otp="0000 000")
    secret = (await ask(frontend, "totp/enroll", alice.token))["secret"]
    assert (await ask(frontend, "totp/confirm", alice.token, otp=app_code(secret, world.clock()))).status == 200

    assert (await ask(frontend, "totp/remove", alice.token, otp="0000 000"))["attemptsLeft"] == 0


async def test_whoever_confirms_again_and_again_does_not_fill_the_mailbox(world):
    async with world.open_gateway(flood={"mail": {"most": 4, "seconds": 86_400}}) as frontend:
        alice = await enrol(world, frontend)

        answers = [await ask(frontend, "recovery-codes", alice.token) for _ in range(4)]

        assert [answer.code for answer in answers] == [None, None, "flood", "flood"]


async def test_secrets_are_not_proposed_without_end(world, frontend):
    token = (await by_mail(world, frontend))["manageToken"]

    answers = [await ask(frontend, "totp/enroll", token) for _ in range(21)]

    assert [answer.code for answer in answers] == [None] * 20 + ["flood"]
    assert 590 < int(answers[-1].headers["Retry-After"]) <= 600


# Removing


async def test_the_mails_about_an_app_say_from_which_browser_it_was_added_and_removed(world, frontend):
    frontend.headers["User-Agent"] = FIREFOX
    alice = await enrol(world, frontend)
    frontend.headers["User-Agent"] = SAFARI
    await ask(frontend, "totp/remove", alice.token, otp=app_code(alice.secret, world.clock()))

    assert "Browser: Firefox, Linux\n" in await mail_about(world, "An authenticator app was added")
    assert "Browser: Safari, iPhone\n" in await mail_about(world, "Your authenticator app was removed")


async def test_the_app_is_removed_by_a_code_of_it_and_what_was_granted_before_is_void(world, frontend):
    alice = await enrol(world, frontend)

    removed = await ask(frontend, "totp/remove", alice.token, otp=app_code(alice.secret, world.clock()))

    assert (removed.status, removed["status"]) == (200, "SUCCESS")
    assert await methods(world, frontend) == ["EMAIL"]
    for endpoint in ENDPOINTS:
        assert (await ask(frontend, endpoint, alice.token, otp="000000")).code == "transaction_closed"
    world.clock.ahead += 1
    assert (await enrol(world, frontend)).codes
    await world.eventually(lambda: "Your authenticator app was removed" in subjects(world))


async def test_a_code_that_removed_the_app_or_logged_in_removes_none_again(world, frontend):
    alice = await enrol(world, frontend)
    code = app_code(alice.secret, world.clock())
    assert (await frontend.login(await frontend.authenticate(), code)).status == 200

    assert (await ask(frontend, "totp/remove", alice.token, otp=code)).code == "wrong_otp"


async def test_phones_get_lost_so_a_recovery_code_removes_the_app_too_and_an_event_tells(world, frontend, events):
    alice = await enrol(world, frontend)

    assert (await ask(frontend, "totp/remove", alice.token, otp=alice.codes[4])).status == 200
    assert await methods(world, frontend) == ["EMAIL"]
    [used] = [event for event in events if event["event"] == "totp_remove.recovery_code_used"]
    assert (used["uid"], used["left"], used["log_level"]) == ("2", 9, "warning")


async def test_where_there_is_no_app_there_is_nothing_to_remove_or_renew(world, frontend):
    token = (await by_mail(world, frontend))["manageToken"]

    assert (await ask(frontend, "totp/remove", token, otp="000000")).code == "not_enrolled"
    assert (await ask(frontend, "recovery-codes", token)).code == "not_enrolled"


# Where it is off, and where the store was emptied


async def test_a_plain_mail_site_needs_no_mark_and_has_none_of_this(world):
    async with world.open_gateway(totp={"enabled": False}) as frontend:
        token = (await by_mail(world, frontend))["manageToken"]

        for endpoint in ENDPOINTS:
            answer = await ask(frontend, endpoint, token, otp="000000")
            assert (answer.status, answer.code) == (404, "disabled")


class TestOnRedis:
    @pytest.fixture
    def store(self, redis_server):
        return {"kind": "redis", "url": redis_server.url}

    async def test_a_code_that_logged_in_here_does_not_log_in_at_another_process_in_the_same_step(
        self, world, tmp_path
    ):
        async with start_gateway(world, tmp_path) as one, start_gateway(world, tmp_path) as two:
            here, there = world.visit(one.url), world.visit(two.url)
            alice = await enrol(world, here)
            code = app_code(alice.secret, world.clock() + STEP)
            assert (await here.login(await here.authenticate(), code)).status == 200

            answer = await there.login(await there.authenticate(), code)

            assert (answer.status, answer.code) == (403, "wrong_otp")

    async def test_of_parallel_logins_with_one_code_over_two_processes_one_wins(self, world, tmp_path):
        async with start_gateway(world, tmp_path) as one, start_gateway(world, tmp_path) as two:
            here, there = world.visit(one.url), world.visit(two.url)
            alice = await enrol(world, here)
            opened = [(frontend, await frontend.authenticate()) for frontend in (here, there, here)]
            code = app_code(alice.secret, world.clock() + STEP)

            answers = await asyncio.gather(*(frontend.login(each, code) for frontend, each in opened))

            assert sorted(answer.status for answer in answers) == [200, 403, 403]

    async def test_an_emptied_store_is_not_taken_for_nobody_is_enrolled(self, world, frontend, redis_server):
        alice = await enrol(world, frontend)
        redis_server.flush()
        calls = len(world.drupal.calls)

        for password in ("alice-pass-1", "wrong"):
            answer = await frontend.authenticate("alice", password)
            assert (answer.status, answer.code) == (503, "store_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
        assert (await ask(frontend, "totp/enroll", alice.token)).code == "store_unavailable"
        assert len(world.drupal.calls) == calls

        await mark(world)
        assert await methods(world, frontend) == ["EMAIL"]

    async def test_a_store_emptied_in_the_middle_of_a_login_is_noticed_too(self, world, frontend, redis_server):
        await enrol(world, frontend)
        world.drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGIN, seconds=0.5)
        calls = len(world.drupal.called("/user/login"))
        asking = asyncio.create_task(frontend.authenticate())
        await world.eventually(lambda: len(world.drupal.called("/user/login")) > calls)

        redis_server.flush()

        assert (await asking).code == "store_unavailable"
        await world.eventually(lambda: len(world.drupal.ledger.alive()) == 1)

    async def test_the_helpdesk_takes_everything_away_and_no_token_from_before_brings_it_back(
        self, world, frontend, events
    ):
        alice = await enrol(world, frontend)

        assert await remove_factors(Settings.model_validate(world.configuration()), account="2") == ("2", True)

        assert [event for event in events if event["event"] == "factors.reset"] == [
            {"event": "factors.reset", "uid": "2", "had": True, "by": os.getuid(), "log_level": "info"}
        ]
        assert await methods(world, frontend) == ["EMAIL"]
        assert (await ask(frontend, "totp/enroll", alice.token)).code == "transaction_closed"
        assert (await enrol(world, frontend)).codes

    async def test_a_dump_and_the_logs_show_neither_secret_nor_recovery_code(self, world, tmp_path, redis_server):
        async with start_gateway(world, tmp_path, log={"level": "debug", "format": "json"}) as process:
            frontend = world.visit(process.url)
            alice = await enrol(world, frontend)
            proposed = (await ask(frontend, "totp/enroll", alice.token))["secret"]
            code = app_code(alice.secret, world.clock() + STEP)
            await frontend.login(await frontend.authenticate(), code)
            await frontend.login(await frontend.authenticate(authType=RECOVERY), alice.codes[0])
            await frontend.authenticate()
            dump = redis_server.dump()
        logged = "".join(process.log).encode()

        assert b"headgate:enrolment:2" in dump
        assert b"login.recovery_code_used" in logged
        for secret in (alice.secret, proposed):
            raw = base64.b32decode(secret)
            for form in (raw, secret.encode(), raw.hex().encode(), base64.b64encode(raw)[:-2]):
                assert form not in dump
                assert form not in logged
        for code in alice.codes:
            plain = code.replace("-", "")
            for form in (code, plain, plain[2:], plain.lower(), base64.b64encode(plain[2:-2].encode()).decode()):
                assert form.encode() not in dump
                assert form.encode() not in logged
        assert b"argon2" not in dump
        assert alice.token.encode() not in logged

    async def test_a_revoked_token_takes_nothing_from_the_account(self, world, frontend):
        stolen = (await by_mail(world, frontend))["manageToken"]
        alice = await enrol(world, frontend)
        assert (await ask(frontend, "totp/remove", alice.token, otp=alice.codes[0])).status == 200

        for _ in range(25):
            assert (await ask(frontend, "totp/enroll", stolen)).code == "transaction_closed"

        own = (await by_mail(world, frontend))["manageToken"]
        assert (await ask(frontend, "totp/enroll", own)).status == 200
