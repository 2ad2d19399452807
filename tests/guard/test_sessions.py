"""Sessions whose user has passed the second factor, and those of whom policy asks for none."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from selectolax.lexbor import LexborHTMLParser

from gateway.demo.drupal.ledger import Ending
from gateway.demo.drupal.site import DrupalOptions
from gateway.sealing import SealKey
from tests.guard.site import JSON, guarded
from tests.world import INDEX_KEY, PASSWORDS, SEAL_KEY, SERVER_KEY, SESSION_NAME, Frontend, cookie_pair

NEW_KEY = "k2:" + "A" * 43 + "="
AT_WORK = {"X-Forwarded-For": "203.0.113.9"}
ELSEWHERE = {"X-Forwarded-For": "198.51.100.7"}


@pytest.fixture
def drupal_options():
    return DrupalOptions(
        reverse_proxy_addresses=("127.0.0.1",),
        modules=frozenset({"jsonapi", "rest", "node"}),
        json_api_read_only=False,
    )


async def logged_in(world, browser, name="alice"):
    number = len(world.mailbox.mails) + 1
    await browser.log_in(name)
    landed = await browser.send_code(await world.code(number))
    assert landed.status == 303
    return browser


class TestAPasswordIsChanged:
    async def test_the_session_stays_and_its_new_id_is_sealed(self, world, browser):
        await logged_in(world, browser)
        before = browser.cookie()

        changed = await browser.change_password("2", PASSWORDS["alice"])

        assert changed.status == 200
        assert browser.cookie() not in (None, before)
        assert await browser.uid() == "2"

    async def test_a_dead_session_and_a_password_make_no_proven_one(self, world, browser):
        """The body of a login, sent where a password is changed, with the cookie of a session that is over."""
        await logged_in(world, browser)
        proven = browser.cookie()
        (session,) = world.drupal.ledger.alive(2)
        world.drupal.ledger.end(session, Ending.LOGGED_OUT, now=world.clock())
        world.drupal.options = replace(world.drupal.options, login_block=True)
        browser.jar.clear()

        held = await browser.log_in(path="/user/2/edit", Cookie=f"{SESSION_NAME}={proven}")

        assert (held.status, held.location) == (303, "/headless/challenge")
        assert await browser.uid() == ""


class TestWhoMayWrite:
    async def test_json_api_writes_with_a_proven_session_and_its_token(self, world, browser):
        await logged_in(world, browser)
        token = (await browser.get("/session/token")).text
        document = {"data": {"type": "node--article", "attributes": {"title": "A new one"}}}
        kind = "application/vnd.api+json"

        answer = await browser.ask(
            "POST",
            "/jsonapi/node/article",
            data=json.dumps(document),
            headers={"Accept": kind, "Content-Type": kind, "X-CSRF-Token": token},
        )

        assert answer.status == 201


async def test_a_log_out_at_drupal_ends_the_session_in_every_tab(world, site, browser):
    await logged_in(world, browser)
    sealed = browser.cookie()
    page = await browser.get("/user/logout/confirm")
    fields = {
        node.attributes["name"]: node.attributes.get("value") or ""
        for node in LexborHTMLParser(page.text).css("form input[name]")
    }
    await browser.post_form("/user/logout/confirm", fields)

    assert not world.drupal.ledger.alive(2)
    async with site.browser() as other_tab:
        other_tab.jar.update_cookies({SESSION_NAME: sealed})
        assert await other_tab.uid() == ""


async def test_headless_logs_out_a_sealed_session(world, site, browser):
    await logged_in(world, browser)
    (session,) = world.drupal.ledger.alive(2)

    answer = await world.visit(site.url).logout(f"{SESSION_NAME}={browser.cookie()}", session.logout_token)

    assert answer.status == 200
    assert not world.drupal.ledger.alive(2)


async def test_two_users_take_turns_in_one_browser(world, browser):
    await logged_in(world, browser)
    browser.jar.clear()
    await logged_in(world, browser, "bob")

    assert await browser.uid() == "3"
    assert len(world.drupal.ledger.alive()) == 2


class TestKeys:
    async def test_another_process_and_an_old_key_open_the_cookie_and_a_removed_key_does_not(self, world):
        async with guarded(world) as site, site.browser() as browser:
            await logged_in(world, browser)
            sealed, port = browser.cookie(), site.port
        for keys, uid in (([NEW_KEY, SEAL_KEY], "2"), ([NEW_KEY], "")):
            assert SealKey.parse(keys[0])
            async with guarded(world, port=port, keys=keys, index_key=INDEX_KEY) as site, site.browser() as browser:
                browser.jar.update_cookies({SESSION_NAME: sealed})
                assert await browser.uid() == uid


class TestPolicyAsksForNoCode:
    async def test_in_an_exempt_network_the_session_acts_and_leaving_the_network_ends_it(self, world):
        policy = {"exempt_networks": ["203.0.113.0/24"]}
        async with guarded(world, policy=policy) as site, site.browser() as browser:
            landed = await browser.log_in(**AT_WORK)
            assert "/user/2" in landed.location
            at_work = await browser.get("/user/2/edit", **AT_WORK)
            at_home = await browser.get("/user/2/edit", **ELSEWHERE)

        assert at_work.status == 200
        assert (at_home.status, at_home.location) == (303, "/user/2/edit")
        await world.eventually(lambda: not world.drupal.ledger.alive())

    async def test_the_way_back_never_leads_to_another_host(self, world):
        policy = {"exempt_networks": ["203.0.113.0/24"]}
        async with guarded(world, policy=policy) as site, site.browser() as browser:
            await browser.log_in(**AT_WORK)
            left = await browser.get("//evil.example/", **ELSEWHERE)

        assert (left.status, left.location) == (303, "/")

    async def test_another_policy_ends_it(self, world):
        async with guarded(world, policy={"require": "observe"}) as site, site.browser() as browser:
            await browser.log_in()
            sealed, port = browser.cookie(), site.port
            assert await browser.uid() == "2"
        async with guarded(world, port=port) as site, site.browser() as browser:
            browser.jar.update_cookies({SESSION_NAME: sealed})
            assert await browser.uid() == ""
        assert not world.drupal.ledger.alive()


async def test_a_remembered_device_needs_no_code_and_its_session_is_proven(world):
    async with guarded(world, policy={"remember": {"days": 30}}) as site, site.browser() as browser:
        await browser.log_in()
        await browser.send_code(await world.code(), remember="1")
        device = browser.cookie("headgate-device")
        browser.jar.clear(lambda cookie: cookie.key == SESSION_NAME)

        landed = await browser.log_in()

        assert "/user/2" in landed.location
        assert await browser.uid() == "2"
        assert browser.cookie("headgate-device") not in (None, device)
        assert len(world.mailbox.mails) == 1


class TestAFrontendThatAsksDrupalAroundTheGateway:
    async def test_it_gets_drupals_own_cookie_which_the_guard_does_not_honour(self, world):
        clients = [{"id": "next", "kind": "server", "api_key": SERVER_KEY, "cookies": "plain"}]
        async with guarded(world, headless={"clients": clients}) as site, site.browser() as browser:
            frontend: Frontend = world.visit(site.url, key=SERVER_KEY, headers=AT_WORK)
            answer = await frontend.login(await frontend.authenticate(), await world.code())
            name, _, value = cookie_pair(answer.cookies[0]).partition("=")

            assert value == world.drupal.ledger.alive()[0].value
            browser.jar.update_cookies({name: value})
            assert await browser.uid() == ""


async def test_blocked_logins_are_refused_and_ended(world):
    async with guarded(world, guard={"on_login": "block"}) as site, site.browser() as browser:
        page = await browser.log_in()
        told = await browser.ask(
            "POST", "/user/login?_format=json", data=json.dumps({"name": "bob", "pass": PASSWORDS["bob"]}), headers=JSON
        )

    assert (page.status, told.status, told.json()["code"]) == (403, 403, "login_blocked")
    await world.eventually(lambda: not world.drupal.ledger.alive())
    assert not world.mailbox.mails


@pytest.mark.parametrize(("cookie_domain", "sent"), [("", ".www.example.test"), (".example.test", ".example.test")])
async def test_the_cookie_of_an_ended_session_is_deleted_under_the_domain_that_it_was_set_for(
    world, cookie_domain, sent
):
    """Otherwise the browser would keep it, and be sent to the same page for ever."""
    world.drupal.options = replace(world.drupal.options, cookie_domain=cookie_domain)
    host = {"Host": "www.example.test"}
    name = "SESS" + sha256((cookie_domain or "www.example.test").encode()).hexdigest()[:32]
    changes = {
        "public_url": "http://www.example.test",
        "policy": {"exempt_networks": ["203.0.113.0/24"]},
        "drupal": {"cookie_name": name},
    }
    async with guarded(world, **changes) as site, site.browser() as browser:
        landed = await browser.log_in(**host, **AT_WORK)
        (cookie,) = [line for line in landed.set_cookies if line.startswith(name)]
        ended = await browser.get("/user/2", **host, **ELSEWHERE, Cookie=cookie_pair(cookie))

    assert domain_of(cookie) == sent
    assert ended.status == 303
    assert sent in [domain_of(line) for line in ended.set_cookies]
    assert all(line.startswith(f"{name}=deleted; ") for line in ended.set_cookies)


def domain_of(line):
    parts = [part.strip().partition("=") for part in line.split(";")]
    return next((value for key, _, value in parts if key.lower() == "domain"), None)
