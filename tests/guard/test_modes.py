"""A guard that observes, or is off: everything passes, and who is logged in stays so."""

from gateway.web.site.sealed_cookies import FRONT
from tests.guard.site import guarded
from tests.world import SESSION_NAME


def told(events, name):
    return [event for event in events if event["event"] == name]


async def test_observing_lets_a_login_pass_and_tells_whose_it_was(world, events):
    async with guarded(world, guard={"mode": "observe"}) as site, site.browser() as browser:
        await browser.log_in()

        assert await browser.uid() == "2"
        assert not browser.cookie().startswith(FRONT)
        await world.eventually(lambda: told(events, "guard.would_challenge"))

    (event,) = told(events, "guard.would_challenge")
    assert (event["uid"], event["reason"]) == ("2", "login")


async def test_each_thing_that_would_be_dropped_is_told_once_a_minute(world, events):
    async with guarded(world, guard={"mode": "observe"}) as site, site.browser() as browser:
        for _ in range(3):
            await browser.get("/update.php", Authorization="Basic YTpi", Cookie=f"{SESSION_NAME}=made-up-and-plain")

    assert [event["what"] for event in told(events, "guard.would_drop")] == ["authorization", "path", "session"]
    (call, *_) = world.drupal.called("/update.php")
    assert "Authorization" in call.headers


async def test_who_logged_in_while_the_guard_was_on_stays_logged_in_and_can_log_out(world):
    async with guarded(world) as site, site.browser() as browser:
        await browser.log_in()
        await browser.send_code(await world.code())
        sealed, port = browser.cookie(), site.port
    async with guarded(world, port=port, guard={"mode": "off"}) as site, site.browser() as browser:
        browser.jar.update_cookies({SESSION_NAME: sealed})
        assert await browser.uid() == "2"
        (session,) = world.drupal.ledger.alive()

        answer = await world.visit(site.url).logout(f"{SESSION_NAME}={sealed}", session.logout_token)

        assert answer.status == 200
        assert not world.drupal.ledger.alive()


async def test_drupal_never_sees_the_cookies_of_the_gateway(world):
    for mode in ("enforce", "observe", "off"):
        async with guarded(world, guard={"mode": mode}) as site, site.browser() as browser:
            await browser.get(f"/{mode}", Cookie="a=1; headgate-device=secret; __Host-headgate-challenge=x; b=2")

        (call,) = world.drupal.called(f"/{mode}")
        assert "headgate" not in call.headers["Cookie"]
        assert "a=1" in call.headers["Cookie"]
        assert "b=2" in call.headers["Cookie"]


async def test_headless_hands_out_drupals_own_cookie_while_the_guard_is_off(world):
    async with guarded(world, guard={"mode": "off"}) as site:
        frontend = world.visit(site.url)
        answer = await frontend.login(await frontend.authenticate(), await world.code())

    assert FRONT not in answer.cookies[0]
