"""/headless/cancel: the login is over, and Drupal's session with it."""

from gateway.demo.drupal.faults import Endpoint, Fault, Kind
from tests.flows.steps import all_ended, logged_out


async def test_the_session_is_gone_before_the_answer(world, frontend):
    opened = await frontend.authenticate()

    answer = await frontend.cancel(opened)

    assert answer.status == 200
    assert answer.body == {"username": "alice", "status": "SUCCESS", "message": "The login was cancelled."}
    assert logged_out(world) == 1
    assert not world.drupal.ledger.alive()


async def test_the_right_code_comes_too_late(world, frontend):
    opened = await frontend.authenticate()
    code = await world.code()
    await frontend.cancel(opened)

    assert (await frontend.login(opened, code)).code == "transaction_closed"


async def test_it_can_be_cancelled_once(world, frontend):
    opened = await frontend.authenticate()
    await frontend.cancel(opened)

    assert (await frontend.cancel(opened)).code == "transaction_closed"
    assert logged_out(world) == 1


async def test_a_login_that_was_handed_over_can_not_be_cancelled(world, frontend):
    opened = await frontend.authenticate()
    await frontend.login(opened, await world.code())

    assert (await frontend.cancel(opened)).code == "transaction_closed"
    assert len(world.drupal.ledger.alive()) == 1


async def test_with_drupal_down_the_reaper_ends_it_later(world, frontend):
    opened = await frontend.authenticate()
    world.drupal.fault = Fault(kind=Kind.BAD_GATEWAY, at=Endpoint.LOGOUT)

    answer = await frontend.cancel(opened)

    assert answer.status == 200
    assert len(world.drupal.ledger.alive()) == 1
    world.drupal.fault = None
    world.clock.ahead = 120
    await world.eventually(lambda: logged_out(world) == 1)


async def test_a_cancelled_login_sends_no_code(world, frontend):
    with world.mailbox.held("MAIL"):
        opened = await frontend.authenticate()
        await world.mailbox.reached("MAIL")
        await frontend.cancel(opened)
    bob = await frontend.authenticate("bob")

    await world.mailbox.mail()
    assert bob.status == 200
    assert [mail.recipients for mail in world.mailbox.mails] == [("bob@example.test",)]


class TestAFirewallInFrontOfDrupal:
    """A firewall's 403 looks like Drupal's answer for a session that is gone, and the session is alive."""

    async def test_its_refusal_does_not_count_as_logged_out(self, world, frontend):
        opened = await frontend.authenticate()
        world.drupal.fault = Fault(kind=Kind.FIREWALL)
        await frontend.cancel(opened)
        assert len(world.drupal.ledger.alive()) == 1

        world.drupal.fault = None
        world.clock.ahead = 120

        await all_ended(world)

    async def test_every_request_to_drupal_has_a_user_agent(self, world, frontend):
        opened = await frontend.authenticate()
        await frontend.cancel(opened)
        await all_ended(world)

        assert all(call.headers.get("User-Agent") for call in world.drupal.calls)
