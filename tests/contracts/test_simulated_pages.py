"""The simulated Drupal has the ordinary pages of a site: what a gateway in front of it must not break."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from gateway.demo.drupal.files import style_token
from gateway.demo.drupal.ledger import Ending
from gateway.demo.drupal.server import SimulatedDrupal, running
from gateway.demo.drupal.site import DrupalOptions
from tests.contracts.recorded.given import Clock
from tests.contracts.recorded.visitor import STATUS, Visitor, cookie_of

MODULES = frozenset({"jsonapi", "rest", "basic_auth", "node", "views", "comment", "search", "big_pipe", "cart"})
LOGIN_FORM = {"form_id": "user_login_form", "name": "alice", "pass": "alice-pass-1"}
BASIC = {"Authorization": aiohttp.encode_basic_auth("alice", "alice-pass-1")}
IMAGE = "/sites/default/files/example.png"


@pytest.fixture
async def visitor(request: pytest.FixtureRequest) -> AsyncIterator[Visitor]:
    clock = Clock()
    drupal = SimulatedDrupal(DrupalOptions(**{"now": clock, "modules": MODULES, **getattr(request, "param", {})}))
    async with running(drupal) as url, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield Visitor(drupal=drupal, clock=clock, url=url, client=client)


def given_options(**chosen: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("visitor", [chosen], indirect=True, ids=[""])


def field(page: str, name: str) -> str:
    found = re.search(f'name="{re.escape(name)}" value="([^"]*)"', page)
    assert found, name
    return found[1]


@pytest.mark.parametrize("path", ["/user/login", "/de/User/Login/", "/index.php/user/login", "/u%C5%BFer%2Flogin"])
async def test_a_login_form_logs_in_under_every_spelling_of_its_path(visitor: Visitor, path):
    wrong = await visitor.submit(path, form_id="user_login_form", name="alice", **{"pass": "wrong"})
    right = await visitor.submit(path, form_id="user_login_form", name="alice", **{"pass": "alice-pass-1"})

    assert (wrong.status, "Set-Cookie" in wrong.headers) == (200, False)
    assert (right.status, right.headers["Location"]) == (303, f"{visitor.url}/user/2?check_logged_in=1")
    assert "alice" in await (await visitor.get("/user/2", cookie=cookie_of(right))).text()


@given_options(login_block=True)
@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/no/such/page", 404), ("/user/2", 403)])
async def test_the_login_block_logs_in_on_every_page_whatever_its_status(visitor: Visitor, path, status):
    wrong = await visitor.submit(path, form_id="user_login_form", name="alice", **{"pass": "wrong"})
    right = await visitor.submit(path, form_id="user_login_form", name="alice", **{"pass": "alice-pass-1"})

    assert (wrong.status, "Set-Cookie" in wrong.headers) == (status, False)
    assert (right.status, await (await visitor.get(STATUS, cookie=cookie_of(right))).text()) == (303, "1")


@given_options(page_404="/user/login")
async def test_a_login_form_as_the_page_for_404_logs_in_by_put_too(visitor: Visitor):
    answer = await visitor.client.put(f"{visitor.url}/no/such/page", data=LOGIN_FORM, allow_redirects=False)

    assert (answer.status, len(visitor.drupal.ledger.alive())) == (303, 1)


async def test_without_the_block_another_page_logs_nobody_in(visitor: Visitor):
    answer = await visitor.submit("/", form_id="user_login_form", name="alice", **{"pass": "alice-pass-1"})

    assert (answer.status, visitor.drupal.ledger.sessions) == (200, [])


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("/node/1?page=2", "/node/1?page=2"),
        ("node/1", "/node/1"),
        ("//evil.example/", "/user/2"),
        ("https://evil.example/", "/user/2"),
    ],
)
async def test_a_login_form_leads_to_its_local_destination(visitor: Visitor, asked, location):
    path = f"/user/login?destination={quote(asked)}"
    answer = await visitor.submit(path, form_id="user_login_form", name="alice", **{"pass": "alice-pass-1"})

    assert answer.headers["Location"].removesuffix("?check_logged_in=1").removesuffix("&check_logged_in=1") == (
        visitor.url + location
    )


async def test_a_login_by_ajax_fails_after_it_has_logged_in(visitor: Visitor):
    path = "/user/login?ajax_form=1"
    answer = await visitor.submit(path, form_id="user_login_form", name="alice", **{"pass": "alice-pass-1"})

    assert (answer.status, await (await visitor.get(STATUS, cookie=cookie_of(answer))).text()) == (500, "1")


async def test_two_trailing_slashes_are_collapsed_by_a_redirect(visitor: Visitor):
    assert [(await visitor.get(f"/user/login{slashes}")).status for slashes in ("", "/", "//")] == [200, 200, 302]


async def test_a_cart_opens_an_anonymous_session_and_remembers(visitor: Visitor):
    added = await visitor.submit("/cart/add", form_id="cart_add", product="a lamp")
    cookie = cookie_of(added)
    again = await visitor.submit("/cart/add", cookie, form_id="cart_add", product="a table")
    page = await (await visitor.get("/cart", cookie)).text()

    assert (added.status, "Set-Cookie" in again.headers) == (303, False)
    assert ("a lamp" in page, "a table" in page) == (True, True)
    assert await (await visitor.get(STATUS, cookie)).text() == "0"


async def test_a_login_takes_the_cart_along_under_another_id(visitor: Visitor):
    anonymous = cookie_of(await visitor.submit("/cart/add", form_id="cart_add", product="a lamp"))
    cookie = cookie_of(await visitor.submit("/user/login", anonymous, **LOGIN_FORM))

    assert cookie != anonymous
    assert "a lamp" in await (await visitor.get("/cart", cookie)).text()
    assert visitor.drupal.ledger.by_value(anonymous.partition("=")[2]).how is Ending.ROTATED


async def test_anonymous_visitors_comment_and_search(visitor: Visitor):
    path = "/comment/reply/node/1/comment"
    posted = await visitor.submit(path, form_id="comment_comment_form", **{"comment_body[0][value]": "<b>nice</b>"})
    page = await (await visitor.get("/node/1")).text()
    found = await (await visitor.get("/search/node?keys=welc")).text()

    assert (posted.status, posted.headers["Location"]) == (303, f"{visitor.url}/node/1#comment-1")
    assert "&lt;b&gt;nice" in page
    assert '<a href="/node/1">Welcome</a>' in found


async def test_a_file_has_ranges_and_validators(visitor: Visitor):
    whole = await visitor.get(IMAGE)
    headers = {"Range": "bytes=0-7"}
    part = await visitor.client.get(visitor.url + IMAGE, headers=headers)
    unchanged = await visitor.client.get(visitor.url + IMAGE, headers={"If-None-Match": whole.headers["ETag"]})
    beyond = await visitor.client.get(visitor.url + IMAGE, headers={"Range": "bytes=9999-"})

    assert (whole.status, whole.content_type, "Set-Cookie" in whole.headers) == (200, "image/png", False)
    assert (part.status, part.headers["Content-Range"], await part.read()) == (
        206,
        f"bytes 0-7/{len(await whole.read())}",
        b"\x89PNG\r\n\x1a\n",
    )
    assert (unchanged.status, await unchanged.read(), beyond.status) == (304, b"", 416)


async def test_an_image_style_is_made_once_for_the_right_token(visitor: Visitor):
    path = "/sites/default/files/styles/thumbnail/public/example.png"
    refused = await visitor.get(f"{path}?itok=wrong")
    made = await visitor.get(f"{path}?itok={style_token('thumbnail', 'example.png')}")
    served = await visitor.get(path)

    assert [refused.status, made.status, served.status] == [404, 200, 200]
    assert "ETag" in served.headers


@given_options(modules=MODULES, big_pipe_seconds=0.05)
async def test_big_pipe_sends_a_page_in_pieces_and_saves_the_session_after_them(visitor: Visitor):
    cookie, _ = await visitor.log_in()
    session = visitor.drupal.ledger.by_value(cookie.partition("=")[2])
    answer = await visitor.get("/", cookie)
    first = await answer.content.readany()
    saved_early = "big_pipe_saved" in session.data
    rest = await answer.content.read()
    await asyncio.sleep(0)

    assert (answer.headers["Transfer-Encoding"], answer.headers["X-Accel-Buffering"]) == ("chunked", "no")
    assert (b"data-big-pipe-placeholder-id" in first, b"</html>" in first) == (True, False)
    assert (rest.endswith(b"</html>\n"), saved_early, "big_pipe_saved" in session.data) == (True, False, True)


async def test_a_page_is_whole_without_a_session_or_without_javascript(visitor: Visitor):
    cookie, _ = await visitor.log_in()
    anonymous = await visitor.get("/")
    without_script = await visitor.get("/", f"{cookie}; big_pipe_nojs=1")

    assert ["Transfer-Encoding" in answer.headers for answer in (anonymous, without_script)] == [False, False]


async def test_cron_runs_by_its_key(visitor: Visitor):
    answers = [await visitor.get("/cron/wrong"), await visitor.get("/cron/cron-key")]

    assert ([answer.status for answer in answers], visitor.drupal.cron_runs) == ([403, 204], 1)


async def test_an_author_edits_a_node(visitor: Visitor):
    cookie, _ = await visitor.log_in()
    form = await (await visitor.get("/node/1/edit", f"{cookie}; big_pipe_nojs=1")).text()
    names = ("form_token", "form_build_id", "form_id")
    fields = {name: field(form, name) for name in names} | {"title[0][value]": "Hello", "op": "Save"}
    saved = await visitor.submit("/node/1/edit", cookie, **fields)

    assert (saved.status, saved.headers["Location"]) == (303, f"{visitor.url}/node/1?check_logged_in=1")
    assert "Hello has been updated." in await (await visitor.get("/node/1", cookie)).text()
    assert (await visitor.get("/node/1/edit")).status == 403


@given_options(modules=MODULES, json_api_read_only=False)
async def test_json_api_creates_and_changes_nodes_with_a_csrf_token(visitor: Visitor):
    cookie, _ = await visitor.log_in()
    token = await (await visitor.get("/session/token", cookie)).text()
    document = {"data": {"type": "node--article", "attributes": {"title": "New"}}}
    headers = {"Cookie": cookie, "Content-Type": "application/vnd.api+json"}
    url = f"{visitor.url}/jsonapi/node/article"
    refused = await visitor.client.post(url, json=document, headers=headers)
    created = await visitor.client.post(url, json=document, headers=headers | {"X-CSRF-Token": token})
    uuid = (await created.json())["data"]["id"]
    document["data"]["attributes"]["title"] = "Newer"
    await visitor.client.patch(f"{url}/{uuid}", json=document, headers=headers | {"X-CSRF-Token": token})
    read = await (await visitor.get("/jsonapi/node/article")).json()

    assert (refused.status, created.status) == (403, 201)
    assert [node["attributes"]["title"] for node in read["data"]] == ["Welcome", "Newer"]


async def test_json_api_is_read_only_by_default(visitor: Visitor):
    answer = await visitor.client.post(f"{visitor.url}/jsonapi/node/article", json={}, headers=BASIC)

    assert answer.status == 405


@pytest.mark.parametrize(("path", "location"), [("/user/edit?_format=json", "/user/2/edit"), ("/user", "/user/2")])
async def test_a_site_says_whose_a_session_is(visitor: Visitor, path, location):
    cookie, _ = await visitor.log_in()
    answer = await visitor.get(path, cookie)

    assert (answer.status, answer.headers["Location"]) == (302, f"{visitor.url}{location}?check_logged_in=1")


async def test_an_anonymous_visitor_has_no_account_form(visitor: Visitor):
    answers = [await visitor.get("/user/edit?_format=json"), await visitor.get("/user")]

    assert [answers[0].status in (401, 403), answers[1].headers["Location"]] == [True, f"{visitor.url}/user/login"]


@given_options(modules=MODULES, page_max_age_seconds=300)
async def test_the_page_cache_keeps_pages_of_visitors_without_a_session(visitor: Visitor):
    cookie, _ = await visitor.log_in()
    answers = [await visitor.get("/node/1"), await visitor.get("/node/1"), await visitor.get("/cart", cookie)]

    assert [answer.headers.get("X-Drupal-Cache", "-")[:4] for answer in answers[:2]] == ["MISS", "HIT"]
    assert [answer.headers["Cache-Control"] for answer in answers[:2]] == ["max-age=300, public"] * 2
    assert "no-cache" in answers[2].headers["Cache-Control"]


async def test_users_who_change_their_password_get_a_new_id_and_lose_their_other_sessions(visitor: Visitor):
    other, _ = await visitor.log_in()
    cookie, tokens = await visitor.log_in()
    body = {"pass": [{"existing": "alice-pass-1", "value": "alice-pass-1"}]}
    headers = {"Cookie": cookie, "X-CSRF-Token": tokens["csrf_token"]}
    changed = await visitor.client.patch(f"{visitor.url}/user/2?_format=json", json=body, headers=headers)
    states = [await (await visitor.get(STATUS, one)).text() for one in (other, cookie, cookie_of(changed))]

    assert (changed.status, states) == (200, ["0", "0", "1"])


async def test_a_password_changed_by_basic_ends_every_session_and_opens_none(visitor: Visitor):
    cookie, _ = await visitor.log_in()
    body = {"pass": [{"existing": "alice-pass-1", "value": "new"}]}
    changed = await visitor.client.patch(f"{visitor.url}/user/2?_format=json", json=body, headers=BASIC)

    assert (changed.status, "Set-Cookie" in changed.headers) == (200, False)
    assert await (await visitor.get(STATUS, cookie)).text() == "0"


async def test_an_administrator_s_basic_header_changes_a_password_and_ends_the_user_s_sessions(visitor: Visitor):
    cookie, _ = await visitor.log_in()
    headers = {"Authorization": aiohttp.encode_basic_auth("admin", "admin-pass-1")}
    body = {"pass": [{"value": "new"}]}
    changed = await visitor.client.patch(f"{visitor.url}/user/2?_format=json", json=body, headers=headers)

    assert (changed.status, await (await visitor.get(STATUS, cookie)).text()) == (200, "0")


@pytest.mark.parametrize("odd", ["", "#x"])
async def test_forty_pipelined_requests_are_all_answered(visitor: Visitor, odd):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(visitor.url.rpartition(":")[2]))
    request = f"GET /user/login_status?_format=json{odd} HTTP/1.1\r\nHost: localhost\r\n"
    writer.write(f"{request}\r\n".encode() * 39 + f"{request}Connection: close\r\n\r\n".encode())
    received = await reader.read()
    writer.close()

    assert received.count(b"HTTP/1.1 200 OK") == 40


async def test_a_refused_basic_header_shows_the_page_of_its_user(visitor: Visitor):
    right = await visitor.client.get(f"{visitor.url}/nonexistent", headers=BASIC)
    wrong = await visitor.client.get(f"{visitor.url}/nonexistent", headers={"Authorization": "Basic YWxpY2U6eA=="})

    assert ["Log out" in await answer.text() for answer in (right, wrong)] == [True, False]
    assert [(call.acted_uid, call.carried) for call in visitor.drupal.calls] == [(2, None), (None, None)]


@given_options(modules=MODULES, register="visitors", verify_mail=False)
async def test_a_registration_can_log_in(visitor: Visitor):
    fields = {"name": "new", "mail": "new@example.test", "pass[pass1]": "new-pass", "pass[pass2]": "new-pass"}
    answer = await visitor.submit("/user/register", form_id="user_register_form", **fields)

    assert (answer.status, await (await visitor.get(STATUS, cookie_of(answer))).text()) == (303, "1")


async def test_a_one_time_link_leads_to_a_form_that_needs_no_current_password(visitor: Visitor):
    await visitor.submit("/user/password", form_id="user_pass", name="alice")
    link = visitor.drupal.reset_links[0].removeprefix(visitor.url)
    landed = await visitor.get(link.removesuffix("/login"))
    question = await (await visitor.get("/user/reset/2", cookie_of(landed))).text()
    entered = await visitor.submit(re.search('action="([^"]+)"', question)[1], cookie_of(landed))
    cookie, location = cookie_of(entered), entered.headers["Location"].removeprefix(visitor.url)
    form = await (await visitor.get(location, f"{cookie}; big_pipe_nojs=1")).text()
    fields = {"form_id": "user_form", "form_token": field(form, "form_token"), "pass[pass1]": "n", "pass[pass2]": "n"}
    saved = await visitor.submit(location, cookie, **fields)

    assert (landed.status, entered.status, saved.status) == (302, 302, 303)
    assert visitor.drupal.accounts.get(2).accepts("n")


async def test_http_0_9_gets_a_body_and_leaves_a_session_whose_cookie_nobody_has(visitor: Visitor):
    port = int(visitor.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {visitor.drupal.one_time_link(2)}\r\n".encode())
    received = await reader.read()
    writer.close()

    assert (received[:15], b"Set-Cookie" in received) == (b"<!DOCTYPE html>", False)
    assert [session.uid for session in visitor.drupal.ledger.alive()] == [2]


async def test_maintenance_leaves_an_anonymous_session_to_an_administrator_without_one(visitor: Visitor):
    visitor.drupal.maintenance = True
    headers = {"Authorization": aiohttp.encode_basic_auth("admin", "admin-pass-1")}
    answer = await visitor.client.get(f"{visitor.url}/jsonapi", headers=headers)

    assert answer.status == 200
    assert await (await visitor.get(STATUS, cookie_of(answer))).text() != "1"
