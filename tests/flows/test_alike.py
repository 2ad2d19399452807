"""Refusals of a password look and last alike, whatever they are for (promise 11)."""

import asyncio
import time
from itertools import combinations

import pytest

from gateway.demo.drupal.site import DrupalOptions, Times
from tests.chaos.forms import form

TRIES = form(short=50, long=400)
# Of 50 against 50 equally distributed ones, the AUC lies within 0.5 ± 0.15 in 99 of 100 runs (its deviation is 0.058);
# of 400 within 0.5 ± 0.06. One of three runs must do it, since the machine has other work.
BAND = form(short=0.15, long=0.06)
RUNS = 3
AT_ONCE = 25

# Seconds, as measured on 10.6 and 11.4 (there a right password is sooner than a wrong one).
SITES = {
    "10": Times(right=0.071, wrong=0.067, unknown=0.011, blocked=0.011),
    "11": Times(right=0.283, wrong=0.313, unknown=0.023, blocked=0.023),
}
# carol is blocked; dave's account is over Drupal's own limit.
KINDS = {"wrong": "alice", "unknown": "nobody-of-that-name", "blocked": "carol", "flooded": "dave"}


@pytest.fixture(autouse=True)
def _refusals_at_once():
    """Here they take their time."""


@pytest.fixture
def store():
    return {"kind": "memory"}


@pytest.fixture(params=["10", "11"])
def drupal_options(request):
    return DrupalOptions(
        version=request.param,
        times=SITES[request.param],
        reverse_proxy_addresses=("127.0.0.1",),
        uid_only=True,
        ip_limit=100_000,
    )


def auc(first, second):
    """The probability that one of *first* takes longer than one of *second*; 0.5 tells nothing."""
    order = sorted([(seconds, True) for seconds in first] + [(seconds, False) for seconds in second])
    ranks = sum(rank for rank, (_, is_first) in enumerate(order, start=1) if is_first)
    return (ranks - len(first) * (len(first) + 1) / 2) / (len(first) * len(second))


async def refused(frontend, name, address):
    began = time.perf_counter()
    answer = await frontend.post(
        "authenticate",
        {"username": name, "password": "not-the-password", "apiKey": frontend.key},
        headers={"X-Forwarded-For": address},
    )
    return time.perf_counter() - began, answer


async def measured(world, frontend, tries):
    """Seconds of each kind, in turn and from an address of its own each; never more than Drupal can bear."""
    room = asyncio.Semaphore(AT_ONCE)
    seconds = {kind: [] for kind in KINDS}

    async def one(number, kind):
        async with room:
            # Drupal counts wrong passwords of an account; they must stay wrong ones.
            if kind == "wrong":
                world.drupal.flood.clear("user.http_login", "2")
            took, answer = await refused(frontend, KINDS[kind], f"10.{number >> 8 & 255}.{number & 255}.1")
            assert (answer.status, answer.code) == (401, "credentials")
            seconds[kind].append(took)

    numbers = iter(range(len(KINDS) * tries))
    await asyncio.gather(*(one(next(numbers), kind) for _ in range(tries) for kind in KINDS))
    return seconds


@pytest.mark.alone
async def test_no_refusal_can_be_told_from_another_by_its_time(world, capsys):
    runs = []
    async with world.open_gateway() as frontend:
        for number in range(6):
            await refused(frontend, "dave", f"10.99.{number}.1")
        while len(runs) < RUNS and farthest(runs) > BAND:
            seconds = await measured(world, frontend, TRIES)
            runs.append({f"{one}/{other}": auc(seconds[one], seconds[other]) for one, other in combinations(KINDS, 2)})

    with capsys.disabled():
        print(f"\nDrupal {world.drupal.options.version}, {TRIES} tries of each: {shown(runs[-1])}")
    assert farthest(runs) <= BAND, [shown(run) for run in runs]


def farthest(runs):
    """How far from telling nothing the worst pair of the best run is."""
    return min((max(abs(told - 0.5) for told in run.values()) for run in runs), default=1)


def shown(run):
    return ", ".join(f"{pair} {told:.3f}" for pair, told in run.items())


async def test_no_refusal_can_be_told_from_another_by_its_bytes(world):
    async with world.open_gateway() as frontend:
        for number in range(6):
            await refused(frontend, "dave", f"10.99.{number}.1")
        answers = {kind: (await refused(frontend, name, "10.98.0.1"))[1] for kind, name in KINDS.items()}

    assert len({answer.raw.replace(KINDS[kind].encode(), b"") for kind, answer in answers.items()}) == 1


@pytest.mark.alone
async def test_a_refusal_that_waits_holds_no_place_at_drupal(world):
    async with world.open_gateway(drupal={"max_concurrent": 4}) as frontend:
        # Of four places one is an address's; held for as long as the answer waits, these would queue for seconds.
        began = time.perf_counter()
        await asyncio.gather(*(refused(frontend, f"nobody-{number}", f"10.97.{number}.1") for number in range(40)))

        assert time.perf_counter() - began < 2
