"""The simulated Drupal answers like the real ones that were recorded, and remembers what it did."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.faults import Endpoint, Fault, Gate, Kind
from gateway.demo.drupal.server import SimulatedDrupal, running
from gateway.demo.drupal.site import DrupalOptions, SessionRoute, Times
from tests.contracts.recorded.given import Clock, Replay, given, options
from tests.contracts.recorded.visitor import ALICE, LOGIN, STATUS, Visitor, cookie_of
from tests.contracts.recorded.wire import Exchange, described, expected, recorded, recorded_forms

EXCHANGES = [exchange for version in ("10", "11") for exchange in recorded(version)]
FORMS = recorded_forms()
WRONG = {"name": "alice", "pass": "wrong"}


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[f"{exchange.version}-{exchange.name}" for exchange in EXCHANGES])
async def test_it_answers_as_recorded(exchange: Exchange):
    before, clock = given(exchange), Clock()
    drupal = SimulatedDrupal(options(exchange, clock, before.options))
    async with running(drupal) as url:
        replay = Replay(exchange=exchange, drupal=drupal, clock=clock, port=urlsplit(url).port or 0)
        for step in before.steps:
            await step(replay)
        answer = await replay.run()

    assert described(answer) == expected(exchange)


@pytest.mark.parametrize("form", FORMS, ids=[f"{form['drupal']}-{form['path']}-{form['status']}" for form in FORMS])
async def test_pages_have_the_recorded_status_and_inputs(form: dict[str, Any]):
    version = form["drupal"].partition(".")[0]
    drupal = SimulatedDrupal(DrupalOptions(version=version))
    async with running(drupal) as url:
        host = f"127.0.0.1:808{1 if version == '10' else 2}"
        exchange = Exchange(name="bob", version=version, request={}, response={})
        replay = Replay(exchange=exchange, drupal=drupal, clock=Clock(), port=urlsplit(url).port or 0)
        await replay.log_in("bob", ("Host", host))
        cookie = () if form.get("anonymous") else (("Cookie", f"SESS12ca17b49af2289436f303e0166030a2={replay.cookie}"),)
        answer = await replay.get(form["path"], ("Host", host), *cookie)

    assert answer.status == form["status"]
    assert answer.all("location") == [form["location"]] * bool(form["location"])
    assert answer.all("content-type") == [form.get("content_type", answer.all("content-type")[0])]
    assert [tag for tag in form.get("inputs", []) if tag not in answer.body.decode()] == []


@pytest.fixture
async def visitor(request: pytest.FixtureRequest) -> AsyncIterator[Visitor]:
    clock = Clock()
    drupal = SimulatedDrupal(DrupalOptions(**{"now": clock, **getattr(request, "param", {})}))
    jar = aiohttp.DummyCookieJar()
    async with (
        running(drupal) as url,
        aiohttp.ClientSession(cookie_jar=jar, skip_auto_headers=["Accept-Encoding"]) as client,
    ):
        yield Visitor(drupal=drupal, clock=clock, url=url, client=client)


def given_options(**chosen: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("visitor", [chosen], indirect=True, ids=[""])


async def test_every_session_is_found_by_its_cookie_with_its_start_and_its_end(visitor: Visitor):
    cookie, tokens = await visitor.log_in()
    session = visitor.drupal.ledger.by_value(cookie.partition("=")[2])
    born = (session.cookie, session.uid, session.born, session.hostname, session.ended)
    alive = visitor.drupal.ledger.alive()
    visitor.clock.seconds += 60
    await visitor.post(f"/user/logout?_format=json&token={tokens['logout_token']}", cookie=cookie)

    assert born == (cookie.partition("=")[0], 2, visitor.clock.seconds - 60, "127.0.0.1", None)
    assert alive == [session]
    assert (session.ended, session.how, visitor.drupal.ledger.alive()) == (visitor.clock.seconds, "logged_out", [])


async def test_every_request_is_recorded_with_whether_it_had_a_cookie(visitor: Visitor):
    cookie, _ = await visitor.log_in()
    await visitor.get(STATUS, cookie=cookie)

    assert [(call.method, call.path, call.had_cookie) for call in visitor.drupal.calls] == [
        ("POST", LOGIN, False),
        ("GET", STATUS, True),
    ]
    assert (visitor.drupal.login_calls, visitor.drupal.logins) == (1, 1)
    assert visitor.drupal.called("/user/login")[0].headers["content-type"]


@given_options(reverse_proxy_addresses=("127.0.0.1",))
async def test_the_ledger_holds_the_address_that_drupal_believes(visitor: Visitor):
    await visitor.client.post(visitor.url + LOGIN, json=ALICE, headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})

    assert [session.hostname for session in visitor.drupal.ledger.alive()] == ["203.0.113.9"]
    assert visitor.drupal.calls[0].address == "203.0.113.9"


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("203.0.113.30:5555", "203.0.113.30"),
        ("::ffff:203.0.113.31", "::ffff:203.0.113.31"),
        ("[2001:db8::2]:443", "2001:db8::2"),
        ("[2001:db8::3]", "2001:db8::3"),
        ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:0db8:0000:0000:0000:0000:0000:0001"),
        ("203.0.113.34, evil", "203.0.113.34"),
        ("evil, 203.0.113.33", "203.0.113.33"),
        ("203.0.113.35, 10.0.0.1, 127.0.0.1", "203.0.113.35"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("fe80::1%eth0", "127.0.0.1"),
        ("unknown", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
@given_options(reverse_proxy_addresses=("127.0.0.1", "10.0.0.0/8"))
async def test_failures_count_against_the_address_that_symfony_reads(visitor: Visitor, header, address):
    headers = {"X-Forwarded-For": header, "X-Real-IP": "198.51.100.7"}
    await visitor.client.post(visitor.url + LOGIN, json=WRONG, headers=headers)

    assert visitor.drupal.flood.rows("user.failed_login_ip") == {address: 1}


@given_options(reverse_proxy_addresses=("192.0.2.1",))
async def test_forwarding_headers_from_an_untrusted_peer_are_ignored(visitor: Visitor):
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example"}
    answer = await visitor.client.post(visitor.url + LOGIN, json=ALICE, headers=forwarded)

    assert visitor.drupal.calls[0].address == "127.0.0.1"
    assert (cookie_of(answer)[:5], "domain" in answer.headers["Set-Cookie"]) == ("SESS4", False)


@given_options(commas=True)
async def test_a_session_id_with_a_comma_travels_encoded(visitor: Visitor):
    cookie, _ = await visitor.log_in()

    assert "%2C" in cookie
    assert await (await visitor.get(STATUS, cookie=cookie)).text() == "1"


async def test_maintenance_ends_the_sessions_that_are_used_meanwhile_and_no_others(visitor: Visitor):
    touching, _ = await visitor.log_in()
    resting, _ = await visitor.log_in()
    visitor.drupal.maintenance = True
    refused = await visitor.get(STATUS, cookie=touching)
    visitor.drupal.maintenance = False

    assert (refused.status, refused.content_type) == (503, "text/plain")
    assert [session.how for session in visitor.drupal.ledger.sessions] == ["maintenance", None]
    assert await (await visitor.get(STATUS, cookie=resting)).text() == "1"


async def test_flood_rows_age_with_the_clock(visitor: Visitor):
    early = [(await visitor.post(body=WRONG)).status for _ in range(5)]
    visitor.clock.seconds += 21_599
    blocked = await visitor.post()
    visitor.clock.seconds += 1
    late = await visitor.post()

    assert (early, blocked.status, late.status) == ([400] * 5, 403, 200)


async def test_a_success_clears_the_account_and_leaves_the_address(visitor: Visitor):
    for _ in range(4):
        await visitor.post(body=WRONG)
    await visitor.post()

    assert visitor.drupal.flood.rows("user.http_login") == {}
    assert visitor.drupal.flood.rows("user.failed_login_ip") == {"127.0.0.1": 4}


async def test_the_form_and_json_count_the_failures_of_an_account_separately(visitor: Visitor):
    for _ in range(5):
        await visitor.post(body=WRONG)
    answer = await visitor.submit("/user/login", form_id="user_login_form", name="alice", **{"pass": "alice-pass-1"})

    assert ((await visitor.post()).status, answer.status) == (403, 303)


async def test_a_blocked_account_writes_no_flood_row(visitor: Visitor):
    await visitor.post(body={"name": "carol", "pass": "wrong"})

    assert visitor.drupal.flood.rows("user.failed_login_ip") == {}


@given_options(times=Times(wrong=0.2))
async def test_parallel_logins_exceed_the_limit_as_on_a_real_site(visitor: Visitor):
    answers = await asyncio.gather(*(visitor.post(body=WRONG) for _ in range(20)))

    assert [answer.status for answer in answers] == [400] * 20


@given_options(times=Times(unknown=0.1))
async def test_each_outcome_takes_its_own_time(visitor: Visitor):
    loop = asyncio.get_running_loop()
    started = loop.time()
    await visitor.post(body={"name": "nobody", "pass": "x"})
    unknown = loop.time() - started
    await visitor.post(body=WRONG)

    assert unknown >= 0.1 > loop.time() - started - unknown


@pytest.mark.parametrize(("after_birth", "born"), [(False, 0), (True, 1)])
async def test_a_gate_holds_logins_before_or_after_the_session_is_opened(
    visitor: Visitor, after_birth: bool, born: int
):
    gate = visitor.drupal.gate = Gate(after_birth=after_birth)
    login = asyncio.create_task(visitor.post())
    await gate.reached()
    held = len(visitor.drupal.ledger.alive())
    gate.release()

    assert (await login).status == 200
    assert held == born


async def test_a_login_is_processed_although_its_client_left(visitor: Visitor):
    gate = visitor.drupal.gate = Gate(after_birth=False)
    login = asyncio.create_task(visitor.post())
    await gate.reached()
    login.cancel()
    await asyncio.wait([login])
    gate.release()
    await visitor.get(STATUS)

    assert len(visitor.drupal.ledger.alive()) == 1


@pytest.mark.parametrize(
    ("kind", "status", "content_type"),
    [
        (Kind.SERVER_ERROR, 500, "text/html"),
        (Kind.BAD_GATEWAY, 502, "text/html"),
        (Kind.GATEWAY_TIMEOUT, 504, "text/html"),
        (Kind.HTML, 200, "text/html"),
    ],
)
async def test_a_fault_answers_instead_of_drupal_and_opens_nothing(visitor: Visitor, kind, status, content_type):
    visitor.drupal.fault = Fault(kind=kind, at=Endpoint.LOGIN)
    answer = await visitor.post()
    elsewhere = await visitor.get(STATUS)

    assert (answer.status, answer.content_type, elsewhere.status) == (status, content_type, 200)
    assert visitor.drupal.ledger.sessions == []


async def test_a_redirect_leads_to_the_location_of_the_fault(visitor: Visitor):
    visitor.drupal.fault = Fault(kind=Kind.REDIRECT, location="http://elsewhere.example/")
    answer = await visitor.post()

    assert (answer.status, answer.headers["Location"]) == (307, "http://elsewhere.example/")


@pytest.mark.parametrize(("kind", "error"), [(Kind.DROP, aiohttp.ClientError), (Kind.HANG, TimeoutError)])
async def test_a_lost_answer_leaves_a_session_whose_cookie_nobody_got(visitor: Visitor, kind, error):
    visitor.drupal.fault = Fault(kind=kind, at=Endpoint.LOGIN)
    with pytest.raises(error):
        async with asyncio.timeout(0.2):
            await visitor.post()

    assert len(visitor.drupal.ledger.alive()) == 1


async def test_a_reset_answer_has_its_cookie_and_not_its_body(visitor: Visitor):
    visitor.drupal.fault = Fault(kind=Kind.RESET, at=Endpoint.LOGIN)
    answer = await visitor.post()
    with pytest.raises(aiohttp.ClientError):
        await answer.read()

    assert visitor.drupal.ledger.by_value(cookie_of(answer).partition("=")[2]).is_alive


async def test_a_slow_answer_is_late_and_complete(visitor: Visitor):
    visitor.drupal.fault = Fault(kind=Kind.SLOW, seconds=0.1)
    started = asyncio.get_running_loop().time()
    answer = await visitor.post()

    assert answer.status == 200
    assert asyncio.get_running_loop().time() - started >= 0.1


async def test_an_endless_answer_ends_with_its_client(visitor: Visitor):
    visitor.drupal.fault = Fault(kind=Kind.ENDLESS)
    answer = await visitor.post()
    received = await answer.content.readexactly(1_000_000)
    answer.close()

    assert len(received) == 1_000_000


async def test_a_body_over_nginx_s_limit_is_refused_by_nginx(visitor: Visitor):
    answer = await visitor.client.post(visitor.url + LOGIN, data=io.BytesIO(b"x" * 1_048_577))

    assert (answer.status, "nginx" in await answer.text()) == (413, True)


async def test_a_stock_site_has_neither_jsonapi_nor_rest_nor_basic(visitor: Visitor):
    cookie, _ = await visitor.log_in()
    answers = [
        await visitor.get(path, cookie=cookie) for path in ("/jsonapi", "/jsonapi/user/user", "/user/2?_format=json")
    ]
    basic = await visitor.client.get(visitor.url + STATUS, headers={"Authorization": "Basic YWxpY2U6YWxpY2UtcGFzcy0x"})

    assert [answer.status for answer in answers] == [404, 404, 406]
    assert await basic.text() == "0"


async def test_an_account_form_shows_odd_values_escaped(visitor: Visitor):
    odd = User(uid=20, name="odd", password="odd-pass", mail='a@b, "c"@d<x>\r\n', phone=None)
    visitor.drupal.add_user(odd)
    login = await visitor.post(body={"name": "odd", "pass": "odd-pass"})
    page = await (await visitor.get("/user/20/edit", cookie=cookie_of(login))).text()

    assert 'name="mail" value="a@b, &quot;c&quot;@d&lt;x&gt;\r\n"' in page
    assert 'name="field_phone[0][value]" value=""' in page


@given_options(modules=frozenset({"language"}))
@pytest.mark.parametrize(("language", "chosen"), [("de", "de"), ("en", "en"), ("", "en"), ("fi", "en")])
async def test_an_account_form_has_the_accounts_language_chosen_or_else_the_sites(visitor: Visitor, language, chosen):
    visitor.drupal.add_user(User(uid=20, name="odd", password="odd-pass", preferred_langcode=language))
    login = await visitor.post(body={"name": "odd", "pass": "odd-pass"})
    page = await (await visitor.get("/user/20/edit", cookie=cookie_of(login))).text()

    assert f'<option value="{chosen}" selected="selected">' in page
    assert page.count("selected=") == 1


async def test_an_account_form_of_a_site_without_the_language_module_has_no_select(visitor: Visitor):
    login = await visitor.post(body={"name": "alice", "pass": "alice-pass-1"})

    assert "<select" not in await (await visitor.get("/user/2/edit", cookie=cookie_of(login))).text()


@pytest.mark.parametrize(
    ("visitor", "same"), [({"version": "10"}, False), ({"version": "11"}, True)], indirect=["visitor"]
)
async def test_the_session_token_is_login_s_csrf_token_on_11_only(visitor: Visitor, same: bool):
    cookie, tokens = await visitor.log_in()
    token = await (await visitor.get("/session/token", cookie=cookie)).text()

    assert (token == tokens["csrf_token"]) is same


async def test_a_one_time_link_logs_in_once(visitor: Visitor):
    link = visitor.drupal.one_time_link(2)
    first, second = await visitor.get(link), await visitor.get(link)

    assert [session.uid for session in visitor.drupal.ledger.alive()] == [2]
    assert (first.status, second.status) == (302, 302)
    assert await (await visitor.get(STATUS, cookie=cookie_of(second))).text() == "0"


async def test_a_route_of_a_custom_module_opens_a_session_under_any_status(visitor: Visitor):
    visitor.drupal.session_routes = {"/sso": SessionRoute(uid=3, status=500), "/cart": SessionRoute(uid=0)}
    broken, cart = await visitor.get("/sso"), await visitor.get("/cart")

    assert (broken.status, await (await visitor.get(STATUS, cookie=cookie_of(broken))).text()) == (500, "1")
    assert (cart.status, await (await visitor.get(STATUS, cookie=cookie_of(cart))).text()) == (200, "0")


@given_options(roles_visible=True)
async def test_a_site_may_show_users_their_roles(visitor: Visitor):
    visitor.drupal.add_user(User(uid=21, name="editor", password="editor-pass", roles=("editor",)))
    login = await (await visitor.post(body={"name": "editor", "pass": "editor-pass"})).json()

    assert login["current_user"]["roles"] == ["authenticated", "editor"]
