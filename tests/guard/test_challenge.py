"""A login on Drupal's own pages: nothing acts before the code, and everything does after it."""

import aiohttp
from yarl import URL

from tests.guard.site import JSON, guarded
from tests.world import PASSWORDS, SESSION_NAME


async def test_the_form_of_drupal_leads_to_the_code_page_and_then_to_its_destination(world, browser):
    held = await browser.log_in(path="/user/login?destination=/node/1")

    assert (held.status, held.location) == (303, "/headless/challenge")
    assert browser.cookie() is None
    assert await browser.uid() == ""

    landed = await browser.send_code(await world.code())

    assert (landed.status, landed.location.partition("?")[0]) == (303, "/node/1")
    assert await browser.uid() == "2"


async def test_the_cookie_of_a_proven_session_is_worth_nothing_at_drupal(world, browser):
    await browser.log_in()
    await browser.send_code(await world.code())

    sealed = browser.cookie()
    assert sealed.startswith("hg1.")
    (session,) = world.drupal.ledger.alive()
    assert session.value not in sealed


async def test_a_session_that_was_got_around_the_gateway_is_worth_nothing_here(world, site, browser):
    session = await around(world)
    browser.jar.update_cookies({SESSION_NAME: session}, response_url=browser_url(site))

    assert await browser.uid() == ""


async def test_not_even_where_the_site_asks_about_such_sessions(world):
    session = await around(world)
    async with guarded(world, guard={"unsealed": "ask"}) as site, site.browser() as browser:
        browser.jar.update_cookies({SESSION_NAME: session}, response_url=browser_url(site))

        assert await browser.uid() == ""


async def test_a_program_is_told_how_to_go_on(world, site, browser):
    body = f'{{"name": "alice", "pass": "{PASSWORDS["alice"]}"}}'
    held = await browser.ask("POST", "/user/login?_format=json", data=body, headers=JSON)

    assert held.status == 403
    told = held.json()
    assert told["code"] == "second_factor_required"
    assert held.set_cookies[0].startswith("headgate-challenge=")
    assert PASSWORDS["alice"] not in held.text
    frontend = world.visit(site.url)
    answer = await frontend.login(Told(told), await world.code())
    assert answer.status == 200
    assert answer.cookies[0].partition("=")[2].startswith("hg1.")


async def test_a_wrong_password_is_drupals_business(browser):
    answer = await browser.post_form("/user/login", {"name": "alice", "pass": "wrong", "form_id": "user_login_form"})

    assert answer.status == 200
    assert "X-Answered-By" not in answer.headers


class Told(dict):
    """An answer, as `Frontend.login` takes it."""


def browser_url(site):
    return URL(site.url)


async def around(world) -> str:
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
        http.post(
            f"{world.drupal_url}/user/login?_format=json", json={"name": "alice", "pass": PASSWORDS["alice"]}
        ) as answer,
    ):
        return answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
