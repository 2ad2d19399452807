"""Any number of parallel answers over any number of processes: one login, few guesses (promises 1 and 2)."""

import asyncio
import itertools
import time
from collections import Counter

import pytest

from tests.chaos.accounts import code_for, crowd, warnings_in
from tests.chaos.forms import form
from tests.chaos.peers import Request, typing
from tests.world import SERVER_KEY, wrong

pytestmark = pytest.mark.chaos

PARALLEL = 50


async def all_at_once(processes, body) -> list:
    """Every connection is open and every request but its last byte is sent before the first is let go."""
    urls = itertools.cycle(process.url for process in processes)
    requests = [Request(next(urls), "login", body) for _ in range(PARALLEL)]
    await asyncio.gather(*(request.hold() for request in requests))
    await asyncio.sleep(0.1)
    await asyncio.gather(*(request.release() for request in requests))
    return await asyncio.gather(*(request.answer() for request in requests))


async def test_of_fifty_parallel_right_answers_over_two_processes_exactly_one_wins(world, start):
    processes = await start({}, {})
    frontend = world.visit(processes[0].url)
    for number in range(1, 1 + form(short=3, long=30)):
        opened = await frontend.authenticate("bob")
        code = await world.code(number)

        replies = await all_at_once(processes, typing(opened, code))

        assert Counter((reply.status, reply.code) for reply in replies) == {
            (200, None): 1,
            (403, "transaction_closed"): PARALLEL - 1,
        }
        assert sum(bool(reply.cookies) for reply in replies) == 1


async def test_of_fifty_parallel_wrong_answers_exactly_as_many_are_compared_as_attempts_allow(world, start):
    processes = await start({}, {})
    frontend = world.visit(processes[0].url)
    for number in range(1, 1 + form(short=3, long=30)):
        # Another account each time, or its lock would stop them first.
        user = crowd(number)
        opened = await frontend.authenticate(user.name, user.password)
        code = await code_for(world, user)

        replies = await all_at_once(processes, typing(opened, wrong(code)))

        assert Counter((reply.status, reply.code) for reply in replies) == {
            (403, "wrong_otp"): 5,
            (403, "transaction_closed"): PARALLEL - 5,
        }
        assert sorted(reply.body["attemptsLeft"] for reply in replies if reply.code == "wrong_otp") == [0, 1, 2, 3, 4]
        assert (await frontend.login(opened, code)).code == "transaction_closed"
    await world.eventually(lambda: not world.drupal.ledger.alive())
    assert not warnings_in(world), "five wrong codes lock no account"


async def test_guesses_from_thousands_of_addresses_stop_at_the_accounts_lock(world, start):
    """Who has the password opens any number of transactions, each from another address."""
    processes = await start({}, {})
    urls = itertools.cycle(process.url for process in processes)
    addresses = iter(
        [
            f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}"
            for number in range(form(short=240, long=5000))
        ]
    )
    answered: Counter = Counter()
    locked_at: list[float] = []

    async def attacker() -> None:
        for address in addresses:
            frontend = world.visit(next(urls), key=SERVER_KEY, headers={"X-Forwarded-For": address})
            opened = await frontend.authenticate("dave")
            answered["authenticate", opened.status, opened.code] += 1
            if opened.status == 200:
                # No code has seven digits.
                guess = await frontend.login(opened, "0000000")
                answered["login", guess.status, guess.code] += 1
            elif opened.code == "account_locked":
                locked_at.append(time.monotonic())
            await frontend.close()

    await asyncio.gather(*(attacker() for _ in range(8)))

    # 30 s after the lock it lets one more through, 60 s after that another.
    since_lock = time.monotonic() - min(locked_at)
    waits_over = sum(since_lock >= seconds for seconds in (29, 89, 209, 449))
    guesses = answered["login", 403, "wrong_otp"]
    assert 10 <= guesses <= 10 + waits_over, answered
    assert answered["authenticate", 429, "account_locked"] > 0
    assert set(answered) <= {
        ("authenticate", 200, None),
        ("authenticate", 429, "account_locked"),
        ("login", 403, "wrong_otp"),
        ("login", 403, "transaction_closed"),
    }
    assert len({call.address for call in world.drupal.called("/user/login")}) == form(short=240, long=5000)
    # Three may be open at once; every other session is ended.
    await world.eventually(lambda: len(world.drupal.ledger.alive()) <= 3, seconds=30)
    await world.eventually(lambda: warnings_in(world))
    assert len(warnings_in(world)) == 1
