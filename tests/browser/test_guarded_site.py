"""Drupal's own pages behind the guard, in Chromium: from the login form to where the user wanted to go."""

from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import expect

from gateway.demo.drupal.site import DrupalOptions
from gateway.demo.drupal.tokens import OAuthClient
from gateway.process import listening
from tests.browser.code_page_states import submit
from tests.guard.site import guarded
from tests.world import PASSWORDS, a_world, wrong

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@asynccontextmanager
async def a_site(**options: object):
    drupal = DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), **options)
    async with a_world(store={"kind": "memory"}, drupal=drupal) as world, guarded(world) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="module")
async def site():
    async with a_site(modules=frozenset({"node"})) as opened:
        yield opened


async def give_password(page, *, name="alice"):
    await page.locator("#edit-name").fill(name)
    await page.locator("#edit-pass").fill(PASSWORDS[name])
    await page.locator("#edit-pass").press("Enter")
    await page.locator("#otp").wait_for()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_the_login_form_leads_over_the_code_page_to_its_destination(site, new_page, scripts):
    page = await new_page(java_script_enabled=scripts)
    await page.goto(f"{site.url}/user/login?destination=/user/2/edit")
    await give_password(page)
    right = await site.world.code()
    await submit(page, wrong(right))
    await expect(page.get_by_role("alert")).to_contain_text("Attempts left: 4.")
    await submit(page, right)

    assert page.url.startswith(f"{site.url}/user/2/edit")
    assert (await page.goto(f"{site.url}/user/2/edit")).status == 200


async def test_before_the_code_the_browser_is_nobody(site, page):
    await page.goto(f"{site.url}/user/login")
    await give_password(page)

    assert (await page.goto(f"{site.url}/user/2/edit")).status == 403
    assert {cookie["name"] for cookie in await page.context.cookies()} == {"headgate-challenge"}


async def test_a_cancelled_login_leads_back_to_the_form(site, page):
    await page.goto(f"{site.url}/user/login")
    await give_password(page)
    await page.get_by_role("button", name="Cancel the login").click()
    await page.get_by_role("link", name="Log in again").click()
    await give_password(page)
    await submit(page, await site.world.code(2))

    assert page.url.startswith(f"{site.url}/user/2")


@pytest_asyncio.fixture(loop_scope="module")
async def application():
    """Another site, at which users log in with their account here; yields where Drupal sends them."""

    async def callback(request: web.Request) -> web.Response:
        return web.Response(text=f"code: {bool(request.query.get('code'))}", headers={"X-Answered-By": "test"})

    app = web.Application()
    app.router.add_get("/cb", callback)
    async with listening(app, "127.0.0.1", 0, seconds=1) as port:
        yield f"http://127.0.0.1:{port}/cb"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_login_for_another_site_leads_there_with_its_code(application, new_page, scripts):
    page = await new_page(java_script_enabled=scripts)
    client = OAuthClient(redirect_uri=application)
    async with a_site(modules=frozenset({"simple_oauth"}), oauth_client=client) as site:
        await page.goto(f"{site.url}/oauth/authorize?response_type=code&client_id={client.id}&state=abc&scope=basic")
        await give_password(page)
        await submit(page, await site.world.code())
        await page.get_by_text("code: True").wait_for()

        assert page.url.startswith(application)
        assert "state=abc" in page.url
