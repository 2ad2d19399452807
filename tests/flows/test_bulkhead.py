"""What a slow or absent Drupal may take with it: its own logins, and nothing else (promise 13)."""

import asyncio
import time
from dataclasses import replace

import pytest

from gateway.demo.drupal.faults import Endpoint, Fault, Gate, Kind
from gateway.demo.drupal.site import Times
from gateway.drupal.bulkhead import Breaker
from gateway.login.turns import IN_FLIGHT
from tests.ports import free_port
from tests.world import KEY, MADE_UP_COOKIE, PASSWORDS

AT_ONCE_SECONDS = 0.3


@pytest.fixture
def store():
    return {"kind": "memory"}


def attempt(frontend, number, name="alice", password=None):
    """A login from the address of that number."""
    body = {"username": name, "password": password or PASSWORDS[name], "apiKey": KEY}
    return frontend.post("authenticate", body, headers={"X-Forwarded-For": f"198.51.100.{number}"})


async def timed(answering):
    began = time.monotonic()
    return await answering, time.monotonic() - began


@pytest.fixture
def gate(world):
    """Holds every login at Drupal."""
    made = world.drupal.gate = Gate(after_birth=False)
    yield made
    made.release()


def at_once(frontend, numbers):
    return [asyncio.create_task(attempt(frontend, number)) for number in numbers]


async def statuses(gate, tasks):
    gate.release()
    return [answer.status for answer in await asyncio.gather(*tasks)]


async def test_no_more_logins_are_at_drupal_at_once_than_configured(world, gate):
    async with world.open_gateway(drupal={"max_concurrent": 4}) as frontend:
        tasks = at_once(frontend, range(1, 8))
        await gate.reached(4)
        await asyncio.sleep(0.1)

        assert world.drupal.login_calls == 4
        assert await statuses(gate, tasks) == [200] * 7


async def test_while_one_address_hangs_the_others_get_in(world, gate):
    async with world.open_gateway(drupal={"max_concurrent": 8}) as frontend:
        hanging = at_once(frontend, [1] * 4)
        await gate.reached(2)
        await asyncio.sleep(0.1)
        assert world.drupal.login_calls == 2
        world.drupal.gate = None

        others = await asyncio.gather(*(timed(attempt(frontend, number, "bob")) for number in range(2, 8)))

        assert {answer.status for answer, _ in others} == {200}
        assert max(took for _, took in others) < 1
        assert await statuses(gate, hanging) == [200] * 4


@pytest.mark.alone
async def test_of_one_address_as_many_wait_as_are_in_and_the_next_is_told_at_once(world, gate):
    async with world.open_gateway(drupal={"max_concurrent": 8}) as frontend:
        hanging = at_once(frontend, [1] * 4)
        await gate.reached(2)
        await asyncio.sleep(0.1)

        refused, took = await timed(attempt(frontend, 1, "bob"))

        assert (refused.status, refused.code) == (503, "drupal_busy")
        assert int(refused.headers["Retry-After"]) > 0
        assert took < AT_ONCE_SECONDS
        assert await statuses(gate, hanging) == [200] * 4


async def test_a_login_whose_password_was_right_is_not_lost_to_those_that_came_after_it(world):
    world.drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGIN, seconds=0.02)
    async with world.open_gateway(drupal={"max_concurrent": 8, "contacts": "form"}) as frontend:
        tasks = []
        for number in range(60):
            tasks.append(asyncio.create_task(attempt(frontend, 1, list(PASSWORDS)[number % 4])))
            await asyncio.sleep(0.006)
        answers = await asyncio.gather(*tasks)

    assert {answer.code for answer in answers} == {None, "drupal_busy"}
    assert [answer.status for answer in answers].count(200) == world.drupal.login_calls


async def test_when_all_is_full_everybody_is_told_at_once(world, gate):
    async with world.open_gateway(drupal={"max_concurrent": 4}) as frontend:
        hanging = at_once(frontend, range(1, 9))
        await gate.reached(4)
        await asyncio.sleep(0.1)

        refused = await asyncio.gather(*(timed(attempt(frontend, number)) for number in range(20, 40)))

        assert {answer.code for answer, _ in refused} == {"drupal_busy"}
        assert max(took for _, took in refused) < 1
        assert world.drupal.login_calls == 4
        assert await statuses(gate, hanging) == [200] * 8


async def test_being_told_that_drupal_is_busy_counts_against_nobody(world, gate):
    async with world.open_gateway(drupal={"max_concurrent": 4}) as frontend:
        hanging = at_once(frontend, [1] * 2)
        await gate.reached(1)
        await asyncio.sleep(0.1)
        for _ in range(10):
            assert (await attempt(frontend, 1)).code == "drupal_busy"
        assert await statuses(gate, hanging) == [200] * 2

        assert (await attempt(frontend, 1)).status == 200


@pytest.mark.alone
async def test_clients_that_leave_while_they_wait_leave_their_places(world, gate):
    async with world.open_gateway(drupal={"max_concurrent": 4}) as frontend:
        for _ in range(3):
            leaving = at_once(frontend, range(1, 9))
            await asyncio.sleep(0.1)
            for task in leaving:
                task.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
        gate.release()
        await world.eventually(lambda: gate.waiting == 0)
        await asyncio.sleep(0.2)

        after = await asyncio.gather(*(attempt(frontend, number, "bob") for number in range(20, 28)))

        assert {answer.status for answer in after} == {200}


@pytest.mark.alone
async def test_the_code_needs_no_place_at_drupal(world):
    async with world.open_gateway(drupal={"max_concurrent": 1}) as frontend:
        opened = await frontend.authenticate("bob")
        code = await world.code()
        gate = world.drupal.gate = Gate(after_birth=False)
        hanging = at_once(frontend, [1])
        await gate.reached()

        answer, took = await timed(frontend.login(opened, code))

        assert answer.status == 200
        assert took < AT_ONCE_SECONDS
        assert await statuses(gate, hanging) == [200]


async def test_made_up_cookies_to_log_out_take_no_more_than_a_quarter_of_drupal(world):
    world.drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGOUT, seconds=1)
    async with world.open_gateway(drupal={"max_concurrent": 8}) as frontend:
        attacker = world.visit(frontend.url, headers={"X-Forwarded-For": "203.0.113.66"})
        visitor = world.visit(frontend.url, headers={"X-Forwarded-For": "198.51.100.7"})
        attempts = [asyncio.create_task(attacker.logout(MADE_UP_COOKIE, "token")) for _ in range(40)]
        await world.eventually(lambda: world.drupal.called("/user/logout"))

        answer = await visitor.authenticate()

        assert answer.status == 200
        codes = [attempt.code for attempt in await asyncio.gather(*attempts)]
        assert codes.count("drupal_busy") == 36
        assert len(world.drupal.called("/user/logout")) == 4


async def test_made_up_log_outs_from_four_subscribers_keep_nobody_else_out(world):
    """Each has several /64s of its /56. Together they fill the slots and the queue."""
    world.drupal.options = replace(world.drupal.options, times=Times(logout=0.3))
    networks = [f"2001:db8:{subscriber}:{number}::1" for subscriber in range(1, 5) for number in range(6)]
    async with world.open_gateway(drupal={"max_concurrent": 16}) as frontend:
        attackers = [world.visit(frontend.url, headers={"X-Forwarded-For": network}) for network in networks]
        attempts = [
            asyncio.create_task(attacker.logout(MADE_UP_COOKIE, "token")) for _ in range(2) for attacker in attackers
        ]
        await world.eventually(lambda: len(world.drupal.called("/user/logout")) == 16)

        answers = await asyncio.gather(*(attempt(frontend, number) for number in range(1, 5)))

        assert [answer.code for answer in answers] == [None] * 4
        await asyncio.gather(*attempts)


# The circuit breaker


async def break_open(world, frontend, fault=Kind.DROP):
    world.drupal.fault = Fault(kind=fault, at=Endpoint.LOGIN)
    for number in range(1, 6):
        await attempt(frontend, number)
    assert await drupal_state(world, frontend) == "breaker_open"


async def drupal_state(world, frontend):
    """What readyz tells of Drupal; it takes nobody out of service."""
    async with frontend._http.get(f"{world.admin_url}/readyz") as answer:
        assert answer.status == 200
        return (await answer.json())["drupal"]


@pytest.mark.parametrize("fault", [Kind.DROP, Kind.BAD_GATEWAY, Kind.GATEWAY_TIMEOUT])
@pytest.mark.alone
async def test_when_drupal_fails_several_addresses_everybody_is_told_within_milliseconds(world, frontend, fault):
    await break_open(world, frontend, fault)
    calls = world.drupal.login_calls

    answers = [await timed(attempt(frontend, number, "bob")) for number in range(20, 40)]

    assert {(answer.status, answer.code) for answer, _ in answers} == {(503, "drupal_unavailable")}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 5 for answer, _ in answers)
    assert sorted(took for _, took in answers)[10] < 0.05
    assert world.drupal.login_calls == calls


@pytest.mark.alone
async def test_a_hanging_drupal_opens_it_too(world):
    world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.LOGIN)
    async with world.open_gateway(drupal={"timeout_seconds": 0.3}) as frontend:
        slow = await asyncio.gather(*(attempt(frontend, number) for number in range(1, 6)))
        answer, took = await timed(attempt(frontend, 20))
        world.drupal.fault = None
        world.drupal.closing.set()

    assert {answer.code for answer in slow} == {"drupal_timeout"}
    assert answer.code == "drupal_unavailable"
    assert took < AT_ONCE_SECONDS


async def test_one_that_tries_again_closes_it_for_everybody(world, monkeypatch):
    monkeypatch.setitem(Breaker.__init__.__kwdefaults__, "seconds", 0.5)
    async with world.open_gateway() as frontend:
        await break_open(world, frontend)
        world.drupal.fault = None
        assert (await attempt(frontend, 20)).code == "drupal_unavailable"
        await asyncio.sleep(0.55)

        answers = [await attempt(frontend, number) for number in range(21, 24)]

        assert {answer.status for answer in answers} == {200}
        assert await drupal_state(world, frontend) == "ok"


async def test_while_one_tries_again_the_others_are_told_at_once(world, monkeypatch):
    monkeypatch.setitem(Breaker.__init__.__kwdefaults__, "seconds", 0.5)
    async with world.open_gateway() as frontend:
        await break_open(world, frontend)
        world.drupal.fault, world.drupal.gate = None, Gate(after_birth=False)
        await asyncio.sleep(0.55)
        trying = at_once(frontend, [21])
        await world.drupal.gate.reached()

        others = [await attempt(frontend, number) for number in range(30, 35)]

        assert {answer.code for answer in others} == {"drupal_unavailable"}
        assert await statuses(world.drupal.gate, trying) == [200]


@pytest.mark.alone
async def test_any_number_of_failures_of_one_address_opens_nothing(world):
    world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.LOGIN)
    limit = {"address": {"most": 10, "seconds": 3600}}
    async with world.open_gateway(drupal={"timeout_seconds": 0.3}, flood=limit) as frontend:
        # They stay counted as refused, since Drupal may have refused unheard.
        codes = [
            answer.code
            for number in range(0, 14, IN_FLIGHT)
            for answer in await asyncio.gather(
                *(attempt(frontend, 1, f"nobody{number + each}", "x") for each in range(IN_FLIGHT))
            )
        ]
        world.drupal.fault = None
        other = await attempt(frontend, 2, "bob")
        world.drupal.closing.set()

    assert codes == ["drupal_timeout"] * 10 + ["flood"] * 4
    assert other.status == 200


BAD_INPUT = {
    "a wrong password": {"username": "alice", "password": "nope"},
    "a name that nobody has": {"username": "nobody", "password": "x"},
    "an empty name": {"username": "", "password": "x"},
    "a name of 254 letters": {"username": "a" * 254, "password": "x"},
    "a password of 1,536 bytes": {"username": "alice", "password": "\u20ac" * 512},
    "an emoji": {"username": "\U0001f600", "password": "\U0001f600"},
    "line ends": {"username": "a\r\nb", "password": "a\r\nb"},
}


async def test_no_input_of_a_client_counts_as_drupals_failure(world, frontend):
    tries = list(BAD_INPUT.values()) * 2

    answers = await asyncio.gather(
        *(
            frontend.post("authenticate", body | {"apiKey": KEY}, headers={"X-Forwarded-For": f"198.51.100.{number}"})
            for number, body in enumerate(tries, start=1)
        )
    )

    assert {answer.code for answer in answers} == {"credentials"}
    assert await drupal_state(world, frontend) == "ok"
    assert (await attempt(frontend, 100)).status == 200


@pytest.mark.parametrize("fault", [Kind.SERVER_ERROR, Kind.HTML])
async def test_a_drupal_that_answers_nonsense_lives_and_is_asked_again(world, frontend, fault):
    world.drupal.fault = Fault(kind=fault, at=Endpoint.LOGIN)
    for number in range(1, 9):
        assert (await attempt(frontend, number)).code == "drupal_invalid"
    world.drupal.fault = None

    assert (await attempt(frontend, 20)).status == 200


# Nothing is sent twice


@pytest.mark.parametrize("fault", [Kind.DROP, Kind.RESET, Kind.SERVER_ERROR, Kind.BAD_GATEWAY, Kind.HTML])
async def test_a_login_is_never_sent_again(world, frontend, fault):
    world.drupal.fault = Fault(kind=fault, at=Endpoint.LOGIN)
    await attempt(frontend, 1)
    await asyncio.sleep(0.1)

    assert len(world.drupal.called("/user/login")) == 1


async def test_where_nobody_listens_everybody_is_told_at_once(world):
    async with world.open_gateway(drupal={"url": f"http://127.0.0.1:{free_port()}"}) as frontend:
        answers = [await timed(attempt(frontend, number)) for number in range(1, 12)]

    assert {answer.code for answer, _ in answers} == {"drupal_unavailable"}
    assert max(took for _, took in answers) < 1
