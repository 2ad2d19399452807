"""What must go on working for visitors: pages, files and carts, as if nothing stood in front of Drupal."""

import asyncio
import time

import pytest

from gateway.demo.drupal.site import DrupalOptions
from gateway.web.site.sealed_cookies import FRONT
from tests.guard.site import JSON, Browser, guarded, raw
from tests.world import SESSION_NAME

QUESTION = "/user/login_status"


@pytest.fixture
def drupal_options():
    modules = frozenset({"jsonapi", "rest", "node", "comment", "search", "big_pipe", "cart"})
    return DrupalOptions(
        reverse_proxy_addresses=("127.0.0.1",), modules=modules, cron_key="the-cron-key", big_pipe_seconds=0.5
    )


def anonymous_sessions(world):
    return [session for session in world.drupal.ledger.sessions if session.is_alive and not session.uid]


def questions(world) -> int:
    return len(world.drupal.called(QUESTION))


@pytest.mark.parametrize("path", ["/", "/user/login", "/search/node?keys=a", "/core/misc/drupal.js", "/robots.txt"])
async def test_a_page_is_what_drupal_sent_and_costs_no_question(world, browser, path):
    here = await browser.get(path)

    assert here.status == 200
    assert "X-Answered-By" not in here.headers
    assert questions(world) == 0


async def test_a_file_has_ranges_validators_and_heads(browser):
    whole = await browser.get("/core/misc/drupal.js")
    part = await browser.get("/core/misc/drupal.js", Range="bytes=0-9")
    known = await browser.get("/core/misc/drupal.js", **{"If-Modified-Since": whole.headers["Last-Modified"]})
    head = await browser.ask("HEAD", "/core/misc/drupal.js")

    assert (part.status, part.body) == (206, whole.body[:10])
    assert (known.status, known.body) == (304, b"")
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(whole.body)))


async def test_the_headers_of_drupals_page_cache_are_untouched(world, browser):
    here = await browser.get("/node/1")
    there = await around(world, "/node/1")

    for name in ("Cache-Control", "X-Drupal-Cache", "Vary", "Expires", "X-Generator"):
        assert here.headers.get(name) == there.headers.get(name), name


async def around(world, path):
    direct = Browser(world.drupal_url)
    try:
        return await direct.get(path)
    finally:
        await direct.http.close()


class TestACart:
    async def fill(self, browser, product="a-book"):
        return await browser.post_form("/cart/add", {"form_id": "cart_add", "product": product})

    async def test_it_lives_in_a_sealed_anonymous_session(self, world, browser):
        added = await self.fill(browser)

        assert (added.status, added.location.rpartition("/")[2]) == (303, "cart")
        assert browser.cookie().startswith(FRONT)
        assert "a-book" in (await browser.get("/cart")).text
        (session,) = anonymous_sessions(world)
        assert session.value not in browser.cookie()

    async def test_drupal_is_asked_at_its_birth_at_its_first_use_and_then_once_a_minute(self, world, browser):
        await self.fill(browser)
        assert questions(world) == 1

        for _ in range(5):
            await browser.get("/cart")

        assert questions(world) == 2

    async def test_drupal_is_asked_again_after_each_request_that_changes_something(self, world, browser):
        await self.fill(browser)
        await browser.get("/cart")
        await self.fill(browser, "a-pen")
        before = questions(world)

        page = await browser.get("/cart")

        assert "a-pen" in page.text
        assert questions(world) == before + 1

    async def test_after_a_while_drupal_is_asked_again(self, world):
        async with guarded(world, guard={"ask_cache_seconds": 0}) as site, site.browser() as browser:
            await self.fill(browser)
            await browser.get("/cart")
            await browser.get("/cart")

        assert questions(world) == 3

    async def test_the_user_has_it_after_the_code(self, world, browser):
        await self.fill(browser)
        await browser.log_in()
        await browser.send_code(await world.code())

        assert "a-book" in (await browser.get("/cart")).text
        assert await browser.uid() == "2"

    async def test_one_without_our_seal_is_lost_unless_drupal_may_be_asked(self, world):
        for unsealed, is_kept in (("drop", False), ("ask", True)):
            async with guarded(world, guard={"unsealed": unsealed}) as site, site.browser() as browser:
                await self.fill(browser)
                plain = anonymous_sessions(world)[-1].value
                async with site.browser() as other:
                    page = await other.get("/cart", Cookie=f"{SESSION_NAME}={plain}")
                assert ("a-book" in page.text) is is_kept


async def test_the_pieces_of_a_page_come_when_drupal_sends_them(world, browser):
    await browser.log_in()
    await browser.send_code(await world.code())
    began, first = time.monotonic(), None
    async with browser.http.get(browser.url + "/user/2", headers={"Accept": "text/html"}) as response:
        async for _ in response.content.iter_any():
            first = first or time.monotonic() - began
    whole = time.monotonic() - began

    assert whole >= 0.5
    assert first < whole / 2


class TestCron:
    async def test_it_is_closed_for_everybody(self, world, browser):
        answer = await browser.get("/cron/the-cron-key")

        assert answer.status == 404
        assert not world.drupal.called("/cron")

    async def test_it_is_open_for_the_networks_that_may(self, world):
        async with (
            guarded(world, guard={"allow_networks": ["203.0.113.0/24"]}) as site,
            site.browser() as browser,
        ):
            answer = await browser.get("/cron/the-cron-key", **{"X-Forwarded-For": "203.0.113.9"})
            other = await browser.get("/cron/the-cron-key", **{"X-Forwarded-For": "198.51.100.9"})

        assert answer.status == 204
        assert other.status == 404


async def test_json_api_answers_anybody_what_is_public(browser):
    answer = await browser.ask("GET", "/jsonapi/node/article", headers=JSON)

    assert answer.status == 200
    assert "data" in answer.json()


async def test_fifty_visitors_at_once_are_served(site):
    async with site.browser() as browser:
        answers = await asyncio.gather(*(browser.get("/node/1") for _ in range(50)))

    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("value", [b"\xe2\x82\xac", b"\xff\xfe", b"caf\xe9"])
async def test_bytes_that_are_no_text_reach_drupal_as_they_are(world, site, value):
    head = b"GET /node/1 HTTP/1.1\r\nHost: localhost:%d\r\nConnection: close\r\n" % site.port
    received = await raw(site.port, head + b"User-Agent: " + value + b"\r\nCookie: a=" + value + b"; b=2\r\n\r\n")

    assert received.startswith(b"HTTP/1.1 200 ")
    (call,) = world.drupal.called("/node/1")
    assert call.headers["Cookie"].encode("utf-8", "surrogateescape") == b"a=" + value + b"; b=2"
