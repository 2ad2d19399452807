"""Who has a password and any number of addresses gets a handful of guesses, and takes nobody else's login (promise 2)."""

import asyncio
import itertools
import statistics
import time
from collections import Counter

import pytest

from gateway.demo.drupal.accounts import example_users
from gateway.demo.drupal.site import DrupalOptions, Times
from tests.chaos.accounts import code_for, codes_for, crowd, warnings_in
from tests.chaos.forms import form
from tests.world import pending, wrong

pytestmark = pytest.mark.chaos

GUESSES = form(short=600, long=10_000)
ADDRESSES = form(short=300, long=5_000)
GUESSES_AT_ONCE = 12
# When each further guess comes, in seconds after the lock: 30, and twice as long every time.
WAITS_OVER = (30, 90, 210, 450, 930)
LONGEST_WAIT = 900
LOGIN_SECONDS = 0.1
LOGINS = form(short=8, long=40)
ATTACKERS = 6


@pytest.fixture
def drupal_options():
    return DrupalOptions(
        reverse_proxy_addresses=("127.0.0.1",),
        users=(*example_users(), *(crowd(number) for number in range(6 * LOGINS * 2 + 1))),
        times=Times(right=LOGIN_SECONDS, wrong=LOGIN_SECONDS),
    )


def addresses():
    """The attacker's, over and over."""
    return itertools.cycle(f"198.{18 + n // 65_536}.{n // 256 % 256}.{n % 256}" for n in range(ADDRESSES))


async def post(frontend, endpoint, body, *, at):
    return await frontend.post(endpoint, body | {"apiKey": frontend.key}, headers={"X-Forwarded-For": at})


async def opened_by(frontend, username, password, *, at):
    return await post(frontend, "authenticate", {"username": username, "password": password}, at=at)


async def guess(frontend, opened, otp, *, at):
    return await post(frontend, "login", pending(opened) | {"authType": opened["authType"], "otp": otp}, at=at)


async def test_ten_thousand_guesses_over_any_number_of_logins_and_addresses_are_ten(world, start):
    processes = await start({}, {})
    frontends = itertools.cycle(world.visit(process.url) for process in processes)
    froms = addresses()
    answered: Counter = Counter()
    asked_from = set()
    locked_at: list[float] = []
    left = GUESSES

    async def attacker() -> None:
        nonlocal left
        opened = None
        while left > 0:
            again = await opened_by(next(frontends), "dave", "dave-pass-1", at=next(froms))
            answered["authenticate", again.status, again.code] += 1
            if again.code == "account_locked":
                locked_at.append(time.monotonic())
            # Once it is locked, whatever was opened before is tried on.
            opened = again if again.status == 200 else opened
            if opened is None:
                continue
            left -= GUESSES_AT_ONCE
            froms_now = [next(froms) for _ in range(GUESSES_AT_ONCE)]
            asked_from.update(froms_now)
            # No code has seven digits.
            tries = (guess(next(frontends), opened, "0000000", at=at) for at in froms_now)
            for answer in await asyncio.gather(*tries):
                answered["login", answer.status, answer.code] += 1

    await asyncio.gather(*(attacker() for _ in range(4)))

    since_lock = time.monotonic() - min(locked_at) + 1
    waits_over = sum(since_lock >= seconds for seconds in WAITS_OVER)
    assert sum(count for (endpoint, *_), count in answered.items() if endpoint == "login") >= GUESSES
    assert len(asked_from) >= min(ADDRESSES, GUESSES) * 0.9
    assert 10 <= answered["login", 403, "wrong_otp"] <= 10 + waits_over, answered
    assert set(answered) <= {
        ("authenticate", 200, None),
        ("authenticate", 429, "account_locked"),
        ("login", 403, "wrong_otp"),
        ("login", 403, "transaction_closed"),
    }
    await world.eventually(lambda: warnings_in(world))
    assert len(warnings_in(world)) == 1
    # Three may wait for their code at once; every other session is ended.
    await world.eventually(lambda: len(world.drupal.ledger.alive()) <= 3, seconds=30)


async def test_the_right_code_of_a_login_that_is_still_open_does_not_win_while_the_account_waits(world, start):
    [process] = await start({})
    frontend, froms = world.visit(process.url), addresses()
    user = crowd(0)
    spare = await opened_by(frontend, user.name, user.password, at=next(froms))
    code = await code_for(world, user)
    for _ in range(2):
        opened = await opened_by(frontend, user.name, user.password, at=next(froms))
        for _ in range(5):
            assert (await guess(frontend, opened, wrong(code), at=next(froms))).status == 403

    assert (await guess(frontend, spare, code, at=next(froms))).code == "transaction_closed"
    assert (await opened_by(frontend, user.name, user.password, at=next(froms))).code == "account_locked"


@pytest.mark.alone
async def test_logins_of_others_take_no_more_than_twice_as_long_meanwhile(world, start, capsys):
    [process] = await start({})
    frontend, froms, numbers = world.visit(process.url), addresses(), itertools.count(1)
    attacking, guesses = asyncio.Event(), 0

    async def attacker() -> None:
        nonlocal guesses
        opened = None
        while True:
            await attacking.wait()
            again = await opened_by(frontend, "dave", "dave-pass-1", at=next(froms))
            # Once the account waits, whatever was opened before is tried on.
            opened = again if again.status == 200 else opened
            for _ in range(GUESSES_AT_ONCE if opened else 0):
                # In peace nothing of an attack may be left.
                await attacking.wait()
                await guess(frontend, opened, "0000000", at=next(froms))
                guesses += 1

    async def login() -> float:
        """Seconds of somebody's login, without those until the mail is read."""
        number = next(numbers)
        user, at = crowd(number), f"203.0.113.{number % 250 + 1}"
        began = time.perf_counter()
        opened = await opened_by(frontend, user.name, user.password, at=at)
        took = time.perf_counter() - began
        await world.eventually(lambda: codes_for(world, user))
        began = time.perf_counter()
        assert (await guess(frontend, opened, codes_for(world, user)[0], at=at)).status == 200
        return took + time.perf_counter() - began

    async def factor() -> float:
        """The median under attack by that in peace, in turn, so that whatever this machine does meets both."""
        seconds: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(LOGINS):
            for attacked in (False, True):
                (attacking.set if attacked else attacking.clear)()
                await asyncio.sleep(2 * LOGIN_SECONDS)
                seconds[attacked].append(await login())
        attacking.clear()
        return statistics.median(seconds[True]) / statistics.median(seconds[False])

    attackers = [asyncio.create_task(attacker()) for _ in range(ATTACKERS)]
    factors: list[float] = []
    while len(factors) < 3 and not any(each <= 2 for each in factors):
        factors.append(await factor())
    for each in attackers:
        each.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)

    with capsys.disabled():
        print(f"\nlogins under attack ({guesses} guesses) take {min(factors):.2f} times as long")
    assert guesses > 10 * next(numbers), "nobody attacked"
    assert min(factors) <= 2, factors


async def test_wrong_codes_of_who_knows_a_password_keep_its_owner_out_for_a_quarter_of_an_hour_at_most(world):
    froms = addresses()
    home = "203.0.113.9"
    async with world.open_gateway() as frontend:

        async def attack() -> None:
            """Guess as long as anything is compared."""
            while True:
                opened = await opened_by(frontend, "alice", "alice-pass-1", at=next(froms))
                if opened.status != 200:
                    return
                while (await guess(frontend, opened, "0000000", at=next(froms))).code == "wrong_otp":
                    pass

        waits = []
        for _ in range(12):
            await attack()
            refused = await opened_by(frontend, "alice", "alice-pass-1", at=home)
            assert (refused.status, refused.code) == (429, "account_locked")
            waits.append(int(refused.headers["Retry-After"]))
            world.clock.ahead += waits[-1]
        before = len(codes_for(world, ALICE))
        opened = await opened_by(frontend, "alice", "alice-pass-1", at=home)
        code = await code_for(world, ALICE, before + 1)

        assert waits == sorted(waits)
        assert max(waits) == waits[-1] <= LONGEST_WAIT
        assert (await guess(frontend, opened, code, at=home)).status == 200
        assert len(warnings_in(world)) == 1
        assert warnings_in(world)[0].recipients == (ALICE.mail,)


[ALICE] = [user for user in example_users() if user.name == "alice"]
