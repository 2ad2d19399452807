"""A clock that is set, forwards or back, in the middle of a login: a code never lives longer for it."""

from tests.flows.steps import all_ended


async def test_set_forwards_the_login_is_over_and_its_session_ended(world, frontend):
    opened = await frontend.authenticate()
    code = await world.code()
    world.clock.ahead = 3600

    assert (await frontend.login(opened, code)).code == "transaction_closed"
    await all_ended(world)


async def test_set_back_before_the_login_it_is_closed_and_open_again_when_the_clock_is_right(world, frontend, events):
    opened = await frontend.authenticate()
    code = await world.code()
    world.clock.ahead = -3600

    assert (await frontend.login(opened, code)).code == "transaction_closed"
    assert (await frontend.resend(opened)).code == "transaction_closed"
    assert {event["reason"] for event in events if event["event"].endswith(".transaction_closed")} == {"clock"}

    world.clock.ahead = 0
    assert (await frontend.login(opened, code)).status == 200


async def test_set_back_a_new_login_is_as_good_as_ever(world, frontend):
    await frontend.authenticate("bob")
    await world.code()
    world.clock.ahead = -3600

    opened = await frontend.authenticate()

    assert (await frontend.login(opened, await world.code(2))).status == 200
