"""Turns: few requests of one network at once, the others in the order in which they came."""

import asyncio

import pytest

from gateway.errors import BadCredentials, DrupalBusy, DrupalTimeout
from gateway.login.turns import Turns

HERE, THERE = "203.0.113.9", "198.51.100.7"


def turns_of(**changes):
    options = {"in_flight": 2, "most": 4, "wait_seconds": 5, "keep_seconds": lambda: 0.0}
    return Turns(**options | changes)


class Request:
    """One request that holds its turn until it is told what comes of it."""

    def __init__(self, turns, address=HERE):
        self.has_turn = False
        self._outcome = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._run(turns, address))

    async def _run(self, turns, address):
        async with turns.turn(address):
            self.has_turn = True
            await self._outcome

    async def end(self, error=None):
        if error:
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(None)
        await asyncio.gather(self.task, return_exceptions=True)
        await settled()


async def settled():
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def requests_of(turns, *addresses):
    made = [Request(turns, address) for address in addresses]
    await settled()
    return made


def with_turn(made):
    return [each.has_turn for each in made]


@pytest.mark.parametrize("error", [None, BadCredentials()])
async def test_the_third_of_a_network_waits_until_one_has_ended(error):
    made = await requests_of(turns_of(), HERE, HERE, HERE)
    assert with_turn(made) == [True, True, False]

    await made[0].end(error)

    assert with_turn(made) == [True, True, True]


async def test_networks_do_not_wait_for_each_other():
    assert with_turn(await requests_of(turns_of(), HERE, HERE, THERE)) == [True, True, True]


async def test_addresses_of_one_ipv6_network_share_its_turns():
    made = await requests_of(turns_of(), "2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1")

    assert with_turn(made) == [True, True, False, True]


async def test_the_first_to_wait_is_the_first_to_have_a_turn():
    made = await requests_of(turns_of(), HERE, HERE, HERE, HERE)

    await made[1].end()

    assert with_turn(made) == [True, True, True, False]


async def test_one_more_than_may_wait_is_refused_at_once():
    turns = turns_of()
    made = await requests_of(turns, HERE, HERE, HERE, HERE)

    with pytest.raises(DrupalBusy) as refused:
        await asyncio.wait_for(Request(turns).task, 1)
    assert refused.value.retry_after > 0
    # Also keeps them: the loop alone would let the garbage collector end them.
    assert with_turn(made) == [True, True, False, False]


async def test_a_request_that_waits_too_long_is_refused_and_leaves_its_place():
    turns = turns_of(wait_seconds=0.01, most=3)
    made = await requests_of(turns, HERE, HERE)
    for _ in range(3):
        with pytest.raises(DrupalBusy):
            await asyncio.wait_for(Request(turns).task, 1)

    await made[0].end()

    assert with_turn(await requests_of(turns, HERE)) == [True]


async def test_a_request_whose_client_leaves_while_it_waits_leaves_its_place():
    turns = turns_of(most=3)
    made = await requests_of(turns, HERE, HERE, HERE)
    made[2].task.cancel()
    await settled()

    again = await requests_of(turns, HERE)
    await made[0].end()

    assert with_turn(again) == [True]


async def test_a_request_that_was_given_up_keeps_its_turn_for_a_while():
    """Drupal may still work on it."""
    made = await requests_of(turns_of(keep_seconds=lambda: 0.05), HERE, HERE, HERE, HERE)

    made[0].task.cancel()
    await made[1].end(DrupalTimeout("login"))
    assert with_turn(made) == [True, True, False, False]
    await asyncio.sleep(0.1)

    assert with_turn(made) == [True, True, True, True]


async def test_nothing_is_kept_of_a_network_without_requests():
    turns = turns_of(wait_seconds=0.01)
    made = await requests_of(turns, HERE, HERE, HERE, THERE)
    made[0].task.cancel()
    await asyncio.sleep(0.05)
    for each in made[1:]:
        await each.end()

    assert not turns._lines
