"""Nothing is released while nobody knows whose a session is, and what nobody may have is ended."""

import asyncio
import json

import pytest

from gateway.demo.drupal.faults import Endpoint, Fault, Kind
from gateway.demo.drupal.site import DrupalOptions
from tests.guard.site import JSON, guarded
from tests.world import PASSWORDS


@pytest.fixture
def drupal_options():
    return DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), modules=frozenset({"cart"}))


CREDENTIALS = json.dumps({"name": "alice", "pass": PASSWORDS["alice"]})
NO_ANSWER = (Kind.DROP, Kind.SERVER_ERROR, Kind.HTML, Kind.REDIRECT, Kind.BAD_GATEWAY, Kind.FIREWALL, Kind.HANG)


@pytest.mark.parametrize("kind", NO_ANSWER)
async def test_drupal_that_does_not_say_whose_it_is(world, kind):
    async with guarded(world, drupal={"timeout_seconds": 0.5}) as site, site.browser() as browser:
        world.drupal.fault = Fault(kind=kind, at=Endpoint.LOGIN_STATUS, location="http://127.0.0.1:9/")

        refused = await browser.log_in()

        assert refused.status == 503
        assert not [line for line in refused.set_cookies if line.startswith("SESS")]
        world.drupal.fault = None
        world.drupal.closing.set()
        world.clock.ahead = 400
        await world.eventually(lambda: not world.drupal.ledger.alive())
        assert not world.mailbox.mails


async def test_maintenance_ends_what_it_is_asked_about(world, browser):
    world.drupal.maintenance = True

    await browser.log_in()

    assert await browser.uid() == ""
    world.drupal.maintenance = False
    await world.eventually(lambda: not world.drupal.ledger.alive(2))


async def test_drupal_away_is_a_page_that_says_when_to_come_again(world, browser):
    world.drupal.fault = Fault(kind=Kind.DROP)

    page = await browser.get("/node/1")

    assert page.status == 503
    assert int(page.headers["Retry-After"]) > 0
    assert page.headers["Content-Type"].startswith("text/html")


async def test_redis_away_pages_and_proven_sessions_go_on_and_a_login_is_refused(world, redis_server):
    world.store = {"kind": "redis", "url": redis_server.url, "timeout_seconds": 0.3}
    async with guarded(world) as site, site.browser() as browser, site.browser() as other:
        await browser.log_in()
        await browser.send_code(await world.code())
        await world.answers_handed_over()
        redis_server.stop()
        try:
            assert (await other.get("/")).status == 200
            assert await browser.uid() == "2"
            refused = await other.post_form(
                "/user/login", {"name": "bob", "pass": PASSWORDS["bob"], "form_id": "user_login_form"}
            )
            assert refused.status == 503
            await world.eventually(lambda: not world.drupal.ledger.alive(3))
        finally:
            redis_server.restart()


class TestASiteWhoseCookieHasAnotherName:
    @pytest.fixture
    def drupal_options(self):
        return DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), name_suffix="x")

    async def test_its_logins_are_refused_and_ended_until_the_name_is_configured(self, world, browser, events):
        refused = await browser.log_in()

        assert refused.status == 503
        assert not [line for line in refused.set_cookies if line.startswith("SESS")]
        await world.eventually(lambda: not world.drupal.ledger.alive())
        (told,) = [event for event in events if event["event"] == "guard.foreign_cookie"]

        async with guarded(world, drupal={"cookie_name": told["cookie"]}) as site, site.browser() as another:
            assert (await another.log_in()).location == "/headless/challenge"


async def test_a_visitor_who_leaves_during_a_login_leaves_no_session(world, site):
    world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.LOGIN_STATUS)
    async with site.browser() as browser:
        leaving = asyncio.create_task(browser.log_in())
        await world.eventually(lambda: world.drupal.ledger.alive() and world.drupal.called("/user/login_status"))
        leaving.cancel()
    world.drupal.fault = None
    world.drupal.closing.set()

    world.clock.ahead = 400
    await world.eventually(lambda: not world.drupal.ledger.alive())


async def test_drupal_that_breaks_off_in_the_middle_of_a_login_leaves_no_session(world, browser):
    world.drupal.fault = Fault(kind=Kind.RESET, at=Endpoint.LOGIN)

    refused = await browser.ask("POST", "/user/login?_format=json", data=CREDENTIALS, headers=JSON)

    assert refused.status in (502, 503)
    world.drupal.fault = None
    world.clock.ahead = 400
    await world.eventually(lambda: not world.drupal.ledger.alive())
