"""An attacker who can write to Redis puts an older value of a login back, to have its attempts again."""

import pytest
import redis

from tests.world import wrong

ATTEMPTS = 5


@pytest.fixture
def store(redis_server):
    return {"kind": "redis", "url": redis_server.url}


@pytest.fixture
def writer(redis_server):
    """What an attacker with Redis's password has."""
    with redis.Redis.from_url(redis_server.url) as connected:
        yield connected


def kept_login(writer):
    """The key of the only login, and the bytes that are kept of it."""
    [key] = writer.keys("headgate:tx:*")
    return key, writer.get(key)


async def test_an_older_value_that_was_put_back_gives_no_further_comparison(world, frontend, writer, events):
    opened = await frontend.authenticate()
    code = await world.code()
    key, unused = kept_login(writer)
    answers = [await frontend.login(opened, wrong(code))]
    for _ in range(7):
        writer.set(key, unused, keepttl=True)
        answers.append(await frontend.login(opened, wrong(code)))
    writer.set(key, unused, keepttl=True)

    assert [answer.code for answer in answers] == ["wrong_otp"] + ["transaction_closed"] * 7
    assert (await frontend.login(opened, code)).code == "transaction_closed"
    [told, *_] = [event for event in events if event["event"] == "store.rolled_back"]
    assert (told["log_level"], told["transaction"]) == ("error", key.decode().rpartition(":")[2])


async def test_of_forty_guesses_with_the_value_put_back_each_time_one_is_compared(world, writer):
    async with world.open_gateway(code={"attempts": ATTEMPTS}) as frontend:
        opened = await frontend.authenticate()
        code = await world.code()
        key, unused = kept_login(writer)
        compared = 0
        for _ in range(40):
            writer.set(key, unused, keepttl=True)
            for count in writer.keys("headgate:count:*"):
                writer.delete(count)
            compared += (await frontend.login(opened, wrong(code))).code == "wrong_otp"

        assert compared == 1


async def test_each_process_that_has_not_seen_the_login_gives_its_own_attempts(world, writer):
    async with world.open_gateway() as one, world.open_gateway() as other:
        opened = await one.authenticate()
        code = await world.code()
        key, unused = kept_login(writer)
        compared = 0
        for number in range(20):
            writer.set(key, unused, keepttl=True)
            compared += (await (one, other)[number % 2].login(opened, wrong(code))).code == "wrong_otp"

        assert compared == 2


async def test_a_login_that_won_and_is_put_back_wins_no_second_time(world, frontend, writer):
    opened = await frontend.authenticate()
    code = await world.code()
    key, unused = kept_login(writer)
    assert (await frontend.login(opened, code)).status == 200
    writer.set(key, unused, keepttl=True)

    assert (await frontend.login(opened, code)).code == "transaction_closed"
