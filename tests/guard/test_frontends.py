"""Frontends on other hosts: which of their pages may read the site's answers, and with which cookies."""

import pytest

from gateway.demo.drupal.site import DrupalOptions
from tests.guard.site import JSON, guarded
from tests.world import KEY

APP = "https://app.example.com"
CLIENTS = {"clients": [{"id": "web", "api_key": KEY, "origins": [APP]}]}


@pytest.fixture
def drupal_options():
    return DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), modules=frozenset({"jsonapi", "node"}))


@pytest.fixture
async def site(world):
    async with guarded(world, headless=CLIENTS) as opened:
        yield opened


async def test_a_page_of_the_client_may_read_what_the_site_answers(browser):
    answer = await browser.ask("GET", "/jsonapi/node/article", headers=JSON | {"Origin": APP})

    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in answer.headers["Vary"]


async def test_it_may_read_that_a_code_is_needed(browser):
    body = '{"name": "alice", "pass": "alice-pass-1"}'
    answer = await browser.ask("POST", "/user/login?_format=json", data=body, headers=JSON | {"Origin": APP})

    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (403, APP)


async def test_its_preflight_is_answered_here(world, browser):
    asked = {"Origin": APP, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "x-csrf-token"}
    answer = await browser.ask("OPTIONS", "/jsonapi/node/article", headers=asked)

    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "PATCH"
    assert answer.headers["Access-Control-Allow-Headers"] == "x-csrf-token"
    assert not world.drupal.calls


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.com.evil.example"])
async def test_no_other_page_may(world, browser, origin):
    asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    preflight = await browser.ask("OPTIONS", "/jsonapi/node/article", headers=asked)
    answer = await browser.ask("GET", "/jsonapi/node/article", headers=JSON | {"Origin": origin})

    assert len(world.drupal.calls) == 2
    for each in (preflight, answer):
        assert "Access-Control-Allow-Origin" not in each.headers


async def test_a_page_of_the_site_itself_needs_nothing(browser):
    answer = await browser.ask("GET", "/jsonapi/node/article", headers=JSON | {"Origin": browser.url})

    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_cross_site_cookies_are_set_and_deleted_with_the_same_attributes(world):
    attributes = "; SameSite=None; Secure; Partitioned"
    async with guarded(world, headless=CLIENTS, relay={"cookies": "cross-site"}) as site:
        frontend = world.visit(site.url)
        answer = await frontend.login(await frontend.authenticate(), await world.code())
        cookie = answer.cookies[0]
        (session,) = world.drupal.ledger.alive()
        gone = await frontend.logout(cookie.partition(";")[0], session.logout_token)

    assert cookie.endswith(attributes)
    assert "SameSite=Lax" not in cookie
    assert all(line.endswith(attributes) for line in gone.cookies)
    assert gone.cookies
