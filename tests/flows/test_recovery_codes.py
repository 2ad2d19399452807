"""Recovery codes: ten, shown once, each good once, and never more than a bounded amount of work."""

import asyncio
import os
import time
from collections import Counter

import pytest

from gateway.account import Enrolment
from gateway.factors import RecoveryCodes, recovery
from gateway.settings import Settings
from tests.chaos.accounts import crowd
from tests.chaos.peers import Request, typing
from tests.flows.apps import (
    APP,
    FIREFOX,
    ON,
    RECOVERY,
    SAFARI,
    app_code,
    ask,
    by_mail,
    enrol,
    mail_about,
    mark,
    methods,
    subjects,
)
from tests.world import a_world, start_gateway

# Well formed, with a selector of two that none of ten codes need have.
NOBODYS = "ZZZZ-ZZZZ-ZZZZ-ZZZZ"


@pytest.fixture
async def world(store, drupal_options):
    async with a_world(store=store, drupal=drupal_options, **ON) as made:
        await mark(made)
        yield made


async def by_recovery(frontend, code, username="alice"):
    return await frontend.login(await frontend.authenticate(username, authType=RECOVERY), code)


def another(code):
    """A wrong code that chooses the same hash."""
    return code[:-1] + ("0" if code[-1] != "0" else "1")


async def test_ten_codes_are_shown_once_of_at_least_64_bits_each(world, frontend):
    alice = await enrol(world, frontend)

    assert len(set(alice.codes)) == 10
    assert all(len(code.replace("-", "")) * 5 >= 64 + 2 * 5 for code in alice.codes)
    # Confirming again shows nothing.
    assert (await ask(frontend, "totp/confirm", alice.token, otp="000000")).code == "not_enrolled"


async def test_a_code_logs_in_in_the_middle_of_a_login(world, frontend, events):
    alice = await enrol(world, frontend)
    opened = await frontend.authenticate()

    switched = await frontend.resend(opened, switchTo=RECOVERY)
    won = await frontend.login(switched, alice.codes[3])

    assert (switched.status, switched["authType"], switched["destination"]) == (200, RECOVERY, "")
    assert (won.status, bool(won.cookies)) == (200, True)
    [used] = [event for event in events if event["event"] == "login.recovery_code_used"]
    assert (used["uid"], used["left"]) == ("2", 9)
    await world.eventually(lambda: "A recovery code was used" in subjects(world))


@pytest.mark.parametrize(
    "spell", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code[:4]} {code[5:]} "]
)
async def test_a_code_may_be_typed_in_any_case_and_with_any_dashes(world, frontend, spell):
    alice = await enrol(world, frontend)

    assert (await by_recovery(frontend, spell(alice.codes[0]))).status == 200


async def test_each_works_once_and_the_others_go_on_working(world, frontend):
    alice = await enrol(world, frontend)
    assert (await by_recovery(frontend, alice.codes[0])).status == 200

    assert (await by_recovery(frontend, alice.codes[0])).code == "wrong_otp"
    assert (await by_recovery(frontend, alice.codes[1])).status == 200


async def test_another_accounts_code_is_none(world, frontend):
    alice = await enrol(world, frontend)
    await enrol(world, frontend, "bob")

    assert (await by_recovery(frontend, alice.codes[0], "bob")).code == "wrong_otp"
    assert (await by_recovery(frontend, alice.codes[0])).status == 200


async def test_a_wrong_code_costs_an_attempt_whichever_hash_it_chooses_and_the_fifth_ends_the_login(world, frontend):
    alice = await enrol(world, frontend)
    opened = await frontend.authenticate(authType=RECOVERY)

    wrong = [
        await frontend.login(opened, typed)
        for typed in (another(alice.codes[0]), NOBODYS, "", app_code(alice.secret, world.clock()), alice.codes[0][:-1])
    ]

    assert [(answer.code, answer["attemptsLeft"]) for answer in wrong] == [
        ("wrong_otp", left) for left in (4, 3, 2, 1, 0)
    ]
    assert (await frontend.login(opened, alice.codes[0])).code == "transaction_closed"


async def test_ten_wrong_codes_lock_the_account(world, frontend):
    alice = await enrol(world, frontend)
    for _ in range(2):
        opened = await frontend.authenticate(authType=RECOVERY)
        for _ in range(5):
            await frontend.login(opened, another(alice.codes[0]))

    assert (await frontend.authenticate()).code == "account_locked"


async def test_a_code_for_which_there_is_no_room_costs_nothing(world, monkeypatch):
    monkeypatch.setattr(recovery, "KIBIBYTES", 19 * 1024)
    async with world.open_gateway() as frontend:
        alice = await enrol(world, frontend)
        opened = await frontend.authenticate(authType=RECOVERY)

        answers = await asyncio.gather(*(frontend.login(opened, another(alice.codes[0])) for _ in range(4)))

        busy = [answer for answer in answers if answer.code == "factor_busy"]
        wrong = [answer for answer in answers if answer.code == "wrong_otp"]
        assert len(busy) >= 1
        assert all((answer.status, answer.headers["Retry-After"]) == (503, "1") for answer in busy)
        assert (await frontend.status(opened))["attemptsLeft"] == 5 - len(wrong)
        assert (await frontend.login(opened, alice.codes[0])).status == 200


async def test_new_codes_kill_the_old_ones(world, frontend):
    alice = await enrol(world, frontend)

    renewed = await ask(frontend, "recovery-codes", alice.token)

    assert (renewed.status, len(renewed["recoveryCodes"])) == (200, 10)
    assert (await by_recovery(frontend, alice.codes[0])).code == "wrong_otp"
    assert (await by_recovery(frontend, renewed["recoveryCodes"][0])).status == 200
    await world.eventually(lambda: "You have new recovery codes" in subjects(world))


async def test_the_mail_about_new_ones_says_from_which_browser_they_were_made(world, frontend):
    alice = await enrol(world, frontend)
    frontend.headers["User-Agent"] = SAFARI

    await ask(frontend, "recovery-codes", alice.token)

    assert "Browser: Safari, iPhone\n" in await mail_about(world, "You have new recovery codes")


async def test_the_mails_about_used_ones_say_from_which_browser_they_were_typed(world, frontend):
    alice = await enrol(world, frontend)
    opened = await frontend.authenticate(authType=RECOVERY)
    frontend.headers["User-Agent"] = SAFARI
    assert (await frontend.login(opened, alice.codes[0])).status == 200
    assert "Browser: Safari, iPhone\n" in await mail_about(world, "A recovery code was used")

    frontend.headers["User-Agent"] = FIREFOX
    for code in alice.codes[1:8]:
        assert (await by_recovery(frontend, code)).status == 200
    assert "Browser: Firefox, Linux\n" in await mail_about(world, "You have few recovery codes left")


async def test_new_ones_are_not_made_without_end_also_where_no_mail_is_counted(world, frontend):
    alice = await enrol(world, frontend)
    world.drupal.accounts.change(2, mail=None)
    token = (await by_recovery(frontend, alice.codes[0]))["manageToken"]

    answers = [await ask(frontend, "recovery-codes", token) for _ in range(20)]

    # One was proposed to enrol.
    assert [answer.code for answer in answers] == [None] * 19 + ["flood"]


async def test_a_mail_says_when_fewer_than_three_are_left_and_without_any_they_are_not_offered(world, frontend):
    alice = await enrol(world, frontend)
    for code in alice.codes:
        assert await methods(world, frontend) == [APP, "EMAIL", RECOVERY]
        assert (await by_recovery(frontend, code)).status == 200

    await world.eventually(lambda: subjects(world).count("You have few recovery codes left") == 3)
    assert subjects(world).count("A recovery code was used") == 7
    assert await methods(world, frontend) == [APP, "EMAIL"]
    assert (await frontend.authenticate(authType=RECOVERY)).code == "not_enrolled"


async def test_a_code_that_logs_in_gives_a_token_to_enrol_the_new_phone(world, frontend):
    alice = await enrol(world, frontend)
    won = await by_recovery(frontend, alice.codes[0])

    assert (await ask(frontend, "totp/remove", won["manageToken"], otp=alice.codes[1])).status == 200
    assert (await enrol(world, frontend)).codes


# Two processes, and many guesses


class TestTwoProcesses:
    @pytest.fixture
    def store(self, redis_server):
        return {"kind": "redis", "url": redis_server.url}

    async def test_of_parallel_logins_with_the_same_code_over_two_processes_one_wins(self, world, tmp_path):
        async with start_gateway(world, tmp_path) as one, start_gateway(world, tmp_path) as two:
            frontends = [world.visit(one.url), world.visit(two.url)]
            alice = await enrol(world, frontends[0])
            for code in alice.codes[:4]:
                opened = [await frontend.authenticate(authType=RECOVERY) for frontend in frontends]

                requests = [
                    await Request(frontend.url, "login", typing(each, code)).hold()
                    for frontend, each in zip(frontends, opened, strict=True)
                ]
                await asyncio.gather(*(request.release() for request in requests))
                answers = await asyncio.gather(*(request.answer() for request in requests))

                assert sorted((answer.status, answer.code or "") for answer in answers) == [
                    (200, ""),
                    (403, "wrong_otp"),
                ]

    async def test_of_parallel_answers_to_one_login_over_two_processes_one_wins(self, world, tmp_path):
        async with start_gateway(world, tmp_path) as one, start_gateway(world, tmp_path) as two:
            alice = await enrol(world, world.visit(one.url))
            opened = await world.visit(one.url).authenticate(authType=RECOVERY)
            requests = [
                await Request(url, "login", typing(opened, code)).hold()
                for url, code in zip((one.url, two.url), alice.codes, strict=False)
            ]
            await asyncio.gather(*(request.release() for request in requests))

            answers = await asyncio.gather(*(request.answer() for request in requests))

            assert sorted(answer.status for answer in answers) == [200, 403]


GUESSES, ACCOUNTS = 200, 10


class TestTwoHundredGuessesAtOnce:
    @pytest.fixture
    def store(self, redis_server):
        return {"kind": "redis", "url": redis_server.url}

    @pytest.fixture
    async def enrolled(self, world, monkeypatch):
        """Ten accounts that all keep the same codes: what they are is not asked for here."""
        for number in range(ACCOUNTS):
            world.drupal.add_user(crowd(number))
        monkeypatch.setattr(recovery, "KIBIBYTES", 19 * 1024)
        made = RecoveryCodes()
        codes, hashes = await made.make()
        made.close()
        settings = Settings.model_validate(world.configuration())
        async with settings.store.open(settings.sealer()) as backend:
            for number in range(ACCOUNTS):
                uid = str(crowd(number).uid)
                made = Enrolment(uid=uid, totp_secret=b"s" * 20, recovery_hashes=hashes)
                await backend.enrolments.update(uid, lambda _, made=made: made)
        return codes

    @pytest.mark.alone
    async def test_memory_and_cpu_stay_bounded_and_other_logins_are_unharmed(self, world, tmp_path, enrolled):
        async with start_gateway(world, tmp_path) as process:
            frontend = world.visit(process.url)
            opened = [
                await frontend.authenticate(crowd(number).name, crowd(number).password, authType=RECOVERY)
                for number in range(ACCOUNTS)
            ]
            # What a first one leaves behind is not what many cost.
            await frontend.login(opened[0], another(enrolled[0]))
            requests = [
                Request(process.url, "login", typing(opened[number % ACCOUNTS], another(enrolled[number % 10])))
                for number in range(GUESSES)
            ]
            await asyncio.gather(*(request.hold() for request in requests))
            await asyncio.sleep(0.2)
            memory, cpu = high_water(process), cpu_seconds(process)

            began = time.monotonic()
            await asyncio.gather(*(request.release() for request in requests))
            answers, mailed = await asyncio.gather(
                asyncio.gather(*(request.answer() for request in requests)), by_mail(world, frontend, "bob")
            )
            took = time.monotonic() - began

            assert mailed.status == 200
            codes = Counter(answer.code for answer in answers)
            assert codes.keys() <= {"wrong_otp", "transaction_closed", "factor_busy", "flood"}
            assert codes["factor_busy"] + codes["flood"] > GUESSES / 2
            assert codes["wrong_otp"] <= 5 * ACCOUNTS
            # Two at a time are 38 MiB; all at once would be 3,800.
            assert high_water(process) - memory < 80 * 1024
            # Some tens of hashes at 30 ms, and 200 small answers; all of them would be more than six.
            assert cpu_seconds(process) - cpu < 4
            assert took < 10


class TestRoom:
    @pytest.fixture
    def store(self, redis_server):
        return {"kind": "redis", "url": redis_server.url}

    @pytest.mark.parametrize("endpoint", ["confirm", "remove"])
    async def test_nobody_keeps_others_from_their_recovery_codes(self, world, tmp_path, endpoint):
        async with start_gateway(world, tmp_path) as process:
            frontend = world.visit(process.url)
            alice = await enrol(world, frontend)
            token = (await by_mail(world, frontend, "bob"))["manageToken"]

            async def ask_on():
                await ask(frontend, f"totp/{endpoint}", token, otp=NOBODYS)

            assert await logs_in_meanwhile(frontend, alice, ask_on)

    async def test_a_locked_account_keeps_nobody_from_his_recovery_codes(self, world, tmp_path):
        async with start_gateway(world, tmp_path) as process:
            frontend = world.visit(process.url)
            alice = await enrol(world, frontend)
            await enrol(world, frontend, "bob")
            opened = [await frontend.authenticate("bob", authType=RECOVERY) for _ in range(3)]
            for one in opened[:2]:
                for _ in range(5):
                    assert (await frontend.login(one, NOBODYS)).code == "wrong_otp"

            async def ask_on():
                await frontend.login(opened[2], NOBODYS)

            assert await logs_in_meanwhile(frontend, alice, ask_on)


async def logs_in_meanwhile(frontend, person, ask_on) -> bool:
    """Whether the first try with a recovery code is let in while 24 others ask without a pause."""
    stop = asyncio.Event()

    async def flood():
        while not stop.is_set():
            await ask_on()

    others = [asyncio.create_task(flood()) for _ in range(24)]
    await asyncio.sleep(0.5)
    answer = await by_recovery(frontend, person.codes[0])
    stop.set()
    await asyncio.gather(*others)
    return answer.status == 200


def high_water(process) -> int:
    """The most memory that the process has had, in KiB."""
    with open(f"/proc/{process.process.pid}/status") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def cpu_seconds(process) -> float:
    with open(f"/proc/{process.process.pid}/stat") as stat:  # noqa: PTH123
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
