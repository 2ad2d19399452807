"""Tokens: given only for a session of Drupal's, and never passed on where the site does not want it."""

from urllib.parse import urlencode

import pytest

from gateway.demo.drupal.site import DrupalOptions
from tests.guard.site import guarded
from tests.world import PASSWORDS

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@pytest.fixture
def drupal_options():
    modules = frozenset({"jsonapi", "rest", "basic_auth", "simple_oauth"})
    return DrupalOptions(version="10.5", reverse_proxy_addresses=("127.0.0.1",), modules=modules)


GRANTS = ("password", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code", "")


@pytest.mark.parametrize("grant", GRANTS)
async def test_no_token_for_anything_but_a_session(world, browser, grant):
    fields = {"grant_type": grant, "username": "alice", "password": PASSWORDS["alice"], "client_id": "app"}
    answer = await browser.ask("POST", "/oauth/token", data=urlencode(fields), headers=FORM)

    assert (answer.status, answer.json()["code"]) == (403, "password_grant")
    assert answer.json()["message"] == "This kind of token is not given here."
    assert not world.drupal.called("/oauth/token")


async def test_a_grant_of_a_session_reaches_drupal_with_its_whole_body(world, browser):
    fields = {"grant_type": "refresh_token", "refresh_token": "unknown", "client_id": "app"}
    answer = await browser.ask("POST", "/oauth/token", data=urlencode(fields), headers=FORM)

    assert len(world.drupal.called("/oauth/token")) == 1
    assert answer.status in (400, 401)
    assert "X-Answered-By" not in answer.headers


async def test_too_much_is_refused_unread(world, browser):
    answer = await browser.ask("POST", "/oauth/token", data="grant_type=refresh_token&x=" + "y" * 20_000, headers=FORM)

    assert answer.status == 413
    assert not world.drupal.called("/oauth/token")


@pytest.mark.parametrize(("bearer", "reaches"), [("strip", False), ("pass", True)])
async def test_a_token_reaches_drupal_only_where_the_site_wants_it(world, bearer, reaches):
    async with guarded(world, guard={"bearer": bearer}) as site, site.browser() as browser:
        await browser.get("/user/2", Authorization="Bearer a-token")

    (call,) = world.drupal.called("/user/2")
    assert ("Authorization" in call.headers) is reaches


async def test_a_token_and_a_session_never_go_together(world):
    async with guarded(world, guard={"bearer": "pass"}) as site, site.browser() as browser:
        await browser.log_in()
        await browser.send_code(await world.code())
        await browser.get("/user/1", Authorization="Bearer a-token")

    (call,) = world.drupal.called("/user/1")
    assert call.carried is None
    assert "SESS" not in call.headers.get("Cookie", "")


async def test_basic_never_reaches_drupal(world, browser):
    await browser.get("/user/2", Authorization="Basic YWxpY2U6YWxpY2UtcGFzcy0x", **{"PHP-AUTH-USER": "alice"})

    (call,) = world.drupal.called("/user/2")
    assert not {name.lower() for name in call.headers} & {"authorization", "php-auth-user"}
