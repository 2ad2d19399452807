"""One name is guessed from many networks: IPv6 multiplies no guesses, and the operator hears of it."""

import asyncio

import pytest
import redis

from gateway.demo.drupal.faults import Endpoint, Fault, Gate, Kind
from tests.flows.test_flood import elsewhere, guess, right

# The smallest limits: one guess per /64, two per /56, four per /48.
STRICT = {"name": {"most": 1, "seconds": 21_600}, "times_per_56": 2, "times_per_48": 4}


def from_network(number, *, subscriber=0, site=1):
    """An address in that /64 of a /56 of a /48."""
    return {"X-Forwarded-For": f"2001:db8:{site:x}:{subscriber:02x}{number:02x}::1"}


# One network has two logins at Drupal at a time, so four take several. The name alone is counted.
FOUR_SITES = [from_network(0, site=site) for site in range(2, 6)]
BY_NAME = {"drupal": {"uid_only": True}}


def told(events, name="attack.name"):
    return [event for event in events if event["event"] == name]


class TestNetworksOfOneSubscriber:
    async def test_the_networks_of_a_56_share_the_guesses_of_a_name(self, world):
        async with world.open_gateway(flood=STRICT) as frontend:
            answers = [await guess(frontend, where=from_network(number)) for number in range(8)]

            assert [answer.code for answer in answers] == ["credentials"] * 2 + ["flood"] * 6
            assert world.drupal.login_calls == 2

    async def test_the_56s_of_a_48_share_them_too(self, world):
        async with world.open_gateway(flood=STRICT) as frontend:
            answers = [await guess(frontend, where=from_network(0, subscriber=number)) for number in range(8)]
            other_site = await guess(frontend, where=from_network(0, site=2))

            assert [answer.code for answer in answers] == ["credentials"] * 4 + ["flood"] * 4
            assert other_site.code == "credentials"

    async def test_by_default_256_networks_give_a_name_four_times_the_guesses_of_one(self, world, frontend):
        for number in range(0, 20, 5):
            await asyncio.gather(*(guess(frontend, where=from_network(number + each)) for each in range(5)))

        assert world.drupal.login_calls == 16

    async def test_a_right_password_clears_what_was_counted_for_its_name(self, world):
        async with world.open_gateway(flood=STRICT) as frontend:
            for number in range(3):
                assert (await guess(frontend, where=from_network(number))).code == "credentials"
                assert (await right(frontend, where=from_network(number + 100))).status == 200

    async def test_any_names_together_are_limited_by_the_56_too(self, world):
        limits = {"address": {"most": 2, "seconds": 3600}, "times_per_56": 2, "times_per_48": 4}
        async with world.open_gateway(flood=limits) as frontend:
            answers = [await guess(frontend, f"user{number}", from_network(number)) for number in range(6)]

            assert [answer.code for answer in answers] == ["credentials"] * 4 + ["flood"] * 2

    async def test_where_drupal_counts_by_account_alone_a_guess_is_one_guess(self, world):
        limits = {"times_per_56": 1, "times_per_48": 1, "drupal": {"uid_only": True}}
        async with world.open_gateway(flood=limits) as frontend:
            answers = [await guess(frontend, where=from_network(number)) for number in range(6)]

            assert [answer.code for answer in answers] == ["credentials"] * 4 + ["flood"] * 2

    async def test_an_ipv4_address_has_no_neighbours(self, world):
        async with world.open_gateway(flood=STRICT) as frontend:
            answers = [await guess(frontend, where=elsewhere(number)) for number in range(6)]

            assert {answer.code for answer in answers} == {"credentials"}


class TestTheEvent:
    async def test_a_name_that_is_guessed_from_many_networks_is_told_once_by_its_pseudonym(self, world, events):
        async with world.open_gateway(flood={"name_everywhere": {"most": 5, "seconds": 3600}}) as frontend:
            for number in range(8):
                await guess(frontend, "ALICE" if number % 2 else "alice", elsewhere(number))
                await guess(frontend, "bob", elsewhere(number)) if number < 3 else None
            world.clock.ahead = 3601
            for number in range(8, 14):
                await guess(frontend, where=elsewhere(number))

        first, again = told(events)
        assert (first["log_level"], first["count"], first["account"]) == ("warning", 5, again["account"])
        assert "uid" not in first

    async def test_it_refuses_nobody(self, world):
        async with world.open_gateway(flood={"name_everywhere": {"most": 2, "seconds": 3600}}) as frontend:
            for number in range(5):
                assert (await guess(frontend, where=elsewhere(number))).code == "credentials"

            assert (await right(frontend, where=elsewhere(9))).status == 200

    async def test_a_name_that_nobody_has_is_told_like_any_other(self, world, events):
        async with world.open_gateway(flood={"name_everywhere": {"most": 2, "seconds": 3600}}) as frontend:
            for number in range(2):
                await guess(frontend, "nobody", elsewhere(number))

        assert len(told(events)) == 1


class TestPasswordsInFlight:
    async def test_while_drupal_has_not_answered_the_wait_is_that_of_a_login_and_not_six_hours(self, world):
        async with world.open_gateway(drupal={"timeout_seconds": 20}, flood=BY_NAME) as frontend:
            world.drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGIN, seconds=1)
            asking = [asyncio.create_task(guess(frontend, where=network)) for network in FOUR_SITES]
            await world.eventually(lambda: world.drupal.login_calls == 4)
            refused = await guess(frontend)
            answers = await asyncio.gather(*asking)
            settled = await guess(frontend)

        assert (refused.code, refused.headers["Retry-After"]) == ("flood", "20")
        assert {answer.code for answer in answers} == {"credentials"}
        assert int(settled.headers["Retry-After"]) > 21_000

    async def test_passwords_that_were_right_leave_no_wait(self, world):
        async with world.open_gateway(flood=BY_NAME) as frontend:
            gate = world.drupal.gate = Gate(after_birth=False)
            asking = [asyncio.create_task(right(frontend, where=network)) for network in FOUR_SITES]
            await gate.reached(4)
            refused = await right(frontend)
            gate.release()

            assert int(refused.headers["Retry-After"]) <= 15
            assert {answer.status for answer in await asyncio.gather(*asking)} == {200}
            assert (await right(frontend)).status == 200


class TestRedis:
    @pytest.fixture
    def store(self, redis_server):
        return {"kind": "redis", "url": redis_server.url}

    async def test_what_the_guesses_of_one_48_occupy_is_bounded(self, world, redis_server):
        limits = {"address": {"most": 1, "seconds": 3600}, "times_per_56": 2, "times_per_48": 4}
        async with world.open_gateway(flood=limits) as frontend:
            for number in range(40):
                await guess(frontend, f"user{number}", from_network(number % 8, subscriber=number // 8))
        with redis.Redis.from_url(redis_server.url) as connected:
            kept = connected.keys("headgate:count:*")
            occupied = sum(connected.memory_usage(key) for key in kept)

        # Four guesses: their name and address in three widths, and their name everywhere.
        assert len(kept) <= 4 * (6 + 1)
        assert occupied <= 4 * 7 * 150
