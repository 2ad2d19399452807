"""Answers to a login that no Drupal should give: every session in them is ended, and one that can't be is told."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

NAME = "SESS" + "0" * 32
LOGIN = {"current_user": {"uid": "2", "name": "alice"}, "csrf_token": "c" * 43, "logout_token": "l" * 43}


@pytest.fixture
def store():
    return {"kind": "memory"}


@dataclass
class OddDrupal:
    """Answers every login with *headers*, and knows which sessions were ended, as Drupal before 10.3 ends them."""

    headers: Sequence[tuple[str, str]]
    ended: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/user/login":
            answer = web.json_response(LOGIN)
            for name, value in self.headers:
                answer.headers.add(name, value)
            return answer
        if request.path == "/user/logout":
            self.ended.append(request.headers["Cookie"])
            return web.Response(status=302, headers={"Location": "/"})
        return web.Response(status=404)


@asynccontextmanager
async def odd(headers: Sequence[tuple[str, str]]) -> AsyncIterator[tuple[OddDrupal, str]]:
    drupal = OddDrupal(headers)
    runner = web.ServerRunner(web.Server(drupal.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield drupal, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_of_two_sessions_in_one_answer_both_are_ended(world):
    cookies = [("Set-Cookie", f"{NAME}=one; path=/; HttpOnly"), ("Set-Cookie", f"{NAME}=two; path=/; HttpOnly")]
    async with odd(cookies) as (drupal, url), world.open_gateway(drupal={"url": url}) as frontend:
        answer = await frontend.authenticate()

        assert (answer.status, answer.code) == (502, "drupal_invalid")
        await world.eventually(lambda: sorted(drupal.ended) == [f"{NAME}=one", f"{NAME}=two"])


@pytest.mark.parametrize(
    "headers",
    [[("X-Long", "x" * 20_000)], [(f"X-Header-{number}", "x") for number in range(300)]],
    ids=["20 kB", "300 headers"],
)
async def test_a_session_behind_many_headers_is_found_and_ended(world, headers):
    cookie = ("Set-Cookie", f"{NAME}=one; path=/; HttpOnly")
    async with odd([*headers, cookie]) as (drupal, url), world.open_gateway(drupal={"url": url}) as frontend:
        # The account can't be read at this site, so the login fails after the session was found.
        answer = await frontend.authenticate()

        assert (answer.status, answer.code) == (502, "drupal_invalid")
        await world.eventually(lambda: any("one" in cookie for cookie in drupal.ended))


async def test_an_answer_that_can_not_be_read_is_told_as_an_orphan(world, events):
    cookie = ("Set-Cookie", f"{NAME}=one; path=/; HttpOnly")
    async with (
        odd([("X-Long", "x" * 100_000), cookie]) as (_, url),
        world.open_gateway(drupal={"url": url}) as frontend,
    ):
        answer = await frontend.authenticate()

    assert (answer.status, answer.code) == (502, "drupal_invalid")
    assert [event["reason"] for event in events if event["event"] == "drupal.orphan"] == ["unreadable"]
