"""Limits on refused passwords, wrong codes and messages: before Drupal's own, on every store, for every replica."""

import asyncio
import io
import json

import pytest

from gateway.demo.drupal.site import DrupalOptions
from gateway.telemetry import log_setup
from tests.world import OTHER_KEY, wrong

HERE = {"X-Forwarded-For": "203.0.113.7"}


def elsewhere(number):
    return {"X-Forwarded-For": f"198.51.{number // 200}.{number % 200 + 1}"}


async def guess(frontend, name="alice", where=HERE, password="no", **more):
    body = {"username": name, "password": password, "apiKey": frontend.key} | more
    return await frontend.post("authenticate", body, headers=where)


async def right(frontend, name="alice", where=HERE):
    return await guess(frontend, name, where, f"{name}-pass-1")


@pytest.fixture
def seen():
    """Every event as it would be logged."""
    stream = io.StringIO()
    log_setup.configure(format="json", stream=stream)
    yield lambda name: [event for event in map(json.loads, stream.getvalue().splitlines()) if event["event"] == name]
    log_setup.configure(format="json", stream=io.StringIO())


async def test_the_fifth_wrong_password_from_one_address_is_refused_before_drupal_is_asked(world, frontend):
    answers = [await guess(frontend) for _ in range(5)]

    assert [answer.status for answer in answers] == [401] * 4 + [429]
    assert answers[4].code == "flood"
    assert 21_600 - 60 < int(answers[4].headers["Retry-After"]) <= 21_600
    assert world.drupal.login_calls == 4


async def test_the_wait_is_true(world, frontend):
    for _ in range(4):
        await guess(frontend)
    refused = await right(frontend)
    world.clock.ahead = int(refused.headers["Retry-After"])

    assert (await right(frontend)).status == 200


async def test_a_right_password_clears_the_names_count(frontend):
    for _ in range(3):
        assert (await guess(frontend)).status == 401
        assert (await guess(frontend)).status == 401
        assert (await right(frontend)).status == 200


async def test_other_addresses_still_log_in(frontend):
    for _ in range(5):
        await guess(frontend)

    assert (await right(frontend, where=elsewhere(1))).status == 200
    assert (await right(frontend, "bob")).status == 200


@pytest.mark.parametrize("spelling", ["ALICE", "àlicé", "alıce", "alice  ", "ａｌｉｃｅ", "al\u200bice", "a\u0301lice"])
async def test_spelling_evades_nothing(frontend, spelling):
    for _ in range(2):
        await guess(frontend)
        await guess(frontend, spelling)

    assert (await guess(frontend)).status == 429
    assert (await guess(frontend, spelling)).status == 429


async def test_twenty_at_once_never_overshoot(world, frontend):
    answers = await asyncio.gather(*(guess(frontend) for _ in range(20)))

    assert sorted(answer.status for answer in answers) == [401] * 4 + [429] * 16
    assert world.drupal.login_calls == 4


async def test_an_address_is_refused_after_forty_refused_passwords_of_whomever(world, frontend):
    answers = await asyncio.gather(*(guess(frontend, f"user{number}") for number in range(45)))

    assert [answer.status for answer in answers].count(401) == 40
    assert (await right(frontend)).code == "flood"
    assert (await right(frontend, where=elsewhere(1))).status == 200


async def test_ipv6_counts_by_its_64(frontend):
    for number in range(4):
        await guess(frontend, where={"X-Forwarded-For": f"2001:db8:1:2::{number + 1}"})

    assert (await guess(frontend, where={"X-Forwarded-For": "2001:db8:1:2:ffff::1"})).status == 429
    assert (await guess(frontend, where={"X-Forwarded-For": "2001:db8:1:3::1"})).status == 401


async def test_no_limit_hangs_on_an_api_key(world, frontend):
    other = world.visit(frontend.url, key=OTHER_KEY)
    for _ in range(2):
        await guess(frontend)
        await guess(other)

    assert (await guess(frontend)).status == 429
    assert (await guess(other)).status == 429


async def test_what_is_no_refused_password_is_not_counted(world, frontend):
    world.drupal.maintenance = True
    for _ in range(6):
        assert (await guess(frontend)).code == "drupal_unavailable"
    world.drupal.maintenance = False

    assert (await right(frontend)).status == 200


async def test_messages_to_one_destination_are_limited_and_a_resend_is_one(world):
    async with world.open_gateway(flood={"mail": {"most": 3, "seconds": 86_400}}) as frontend:
        opened = await right(frontend)
        assert (await frontend.resend(opened)).status == 200
        assert (await right(frontend, where=elsewhere(1))).status == 200

        resent, another = await frontend.resend(opened), await right(frontend, where=elsewhere(2))

        assert (resent.status, resent.code) == (429, "flood")
        assert (another.status, another.code) == (429, "flood")
        await world.eventually(lambda: len(world.drupal.ledger.alive()) == 2)
        assert (await right(frontend, "bob")).status == 200


async def test_wrong_codes_from_one_address_are_limited_over_all_accounts(world):
    async with world.open_gateway(flood={"codes": {"most": 6, "seconds": 3600}}) as frontend:
        answers = []
        for number, name in enumerate(("alice", "bob"), start=1):
            opened = await right(frontend, name)
            code = await world.code(number)
            body = {key: opened[key] for key in ("username", "transactionID", "authType")} | {"apiKey": frontend.key}
            for _ in range(4):
                answers.append(await frontend.post("login", body | {"otp": wrong(code)}, headers=HERE))

        assert [answer.code for answer in answers] == ["wrong_otp"] * 6 + ["flood"] * 2
        assert answers[-1].status == 429
        assert (await frontend.post("login", body | {"otp": code}, headers=elsewhere(1))).status == 200


async def test_one_wrong_code_each_over_many_accounts_is_told_once(world, seen):
    async with world.open_gateway(flood={"everywhere": {"most": 3, "seconds": 600}}) as frontend:
        for number, name in enumerate(("alice", "bob", "dave", "admin", "alice"), start=1):
            opened = await right(frontend, name, elsewhere(number))
            await frontend.login(opened, wrong(await world.code(number)))

        assert len(seen("attack.second_factor")) == 1


class TestFiftyTyposAnHour:
    """What Drupal does with many failures hangs on its settings.php."""

    @pytest.fixture(params=[True, False], ids=["reverse_proxy", "no reverse_proxy"])
    def drupal_options(self, request):
        return DrupalOptions(reverse_proxy_addresses=("127.0.0.1",) if request.param else ())

    async def test_they_lock_out_everybody_only_where_drupal_counts_the_gateway(self, world, seen):
        async with world.open_gateway() as frontend:
            answers = await asyncio.gather(
                *(guess(frontend, f"user{number}", elsewhere(number)) for number in range(52))
            )
            after = await right(frontend, where=elsewhere(100))
            async with frontend._http.get(f"{world.admin_url}/readyz") as ready:
                told = await ready.json()

        if world.drupal.options.reverse_proxy_addresses:
            assert {answer.status for answer in answers} == {401}
            assert (after.status, told["drupal"], seen("drupal.counts_gateway")) == (200, "ok", [])
        else:
            assert (after.status, told["drupal"], ready.status) == (429, "counts_gateway", 200)
            assert "reverse_proxy" in seen("drupal.counts_gateway")[0]["change"]


class TestReplicas:
    """A memory store has one process, so only Redis has replicas."""

    @pytest.fixture
    def store(self, redis_server):
        return {"kind": "redis", "url": redis_server.url}

    async def test_they_count_together(self, world):
        async with world.open_gateway() as one, world.open_gateway() as other:
            for frontend in (one, other, one, other):
                assert (await guess(frontend)).status == 401

            assert [(await guess(frontend)).status for frontend in (one, other)] == [429, 429]


async def test_where_drupal_counts_by_account_alone_so_do_we(world):
    async with world.open_gateway(flood={"drupal": {"uid_only": True}}) as frontend:
        for number in range(4):
            assert (await guess(frontend, where=elsewhere(number))).status == 401

        assert (await guess(frontend, where=elsewhere(9))).status == 429
