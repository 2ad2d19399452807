"""/headless/logout: Drupal's session is gone, and the browser's cookie with it."""

import pytest

from gateway.demo.drupal.faults import Endpoint, Fault, Kind
from gateway.demo.drupal.site import DrupalOptions
from tests.flows.steps import logged_out, session_of
from tests.wire import post
from tests.world import KEY, OTHER_KEY, cookie_pair


@pytest.fixture(params=["10", "11"])
def drupal_options(request):
    return DrupalOptions(version=request.param)


@pytest.fixture
async def logged_in(world, frontend):
    opened = await frontend.authenticate()
    return await frontend.login(opened, await world.code())


async def test_it_ends_the_session_and_deletes_the_cookie(world, frontend, logged_in):
    pair = cookie_pair(logged_in.cookies[0])

    answer = await frontend.logout(pair, logged_in["session"]["logout_token"])

    assert answer.status == 200
    assert answer.body == {"status": "SUCCESS", "message": "You are logged out."}
    assert logged_out(world) == 1
    [deleting] = answer.cookies
    assert deleting.startswith(f"{pair.partition('=')[0]}=deleted; ")
    assert "Max-Age=0" in deleting
    assert "path=/" in deleting


async def test_a_dead_session_is_a_success_too(world, frontend, logged_in):
    pair, token = cookie_pair(logged_in.cookies[0]), logged_in["session"]["logout_token"]
    await frontend.logout(pair, token)

    again = await frontend.logout(pair, token)

    assert (again.status, again["status"]) == (200, "SUCCESS")
    assert again.cookies[0].startswith(f"{pair.partition('=')[0]}=deleted; ")


async def test_a_cookie_that_never_was_one_is_a_success_too(frontend):
    answer = await frontend.logout("SESS" + "a" * 32 + "=nonsense", "nonsense")

    assert answer.status == 200


async def test_a_session_without_its_token_is_malformed_and_lives_on(world, frontend, logged_in):
    answer = await frontend.logout(cookie_pair(logged_in.cookies[0]), None)

    assert (answer.status, answer.code) == (400, "malformed")
    assert session_of(world, logged_in).is_alive


async def test_an_unknown_api_key_ends_no_session(world, frontend, logged_in):
    other = world.visit(world.url, key="nonsense")

    answer = await other.logout(cookie_pair(logged_in.cookies[0]), logged_in["session"]["logout_token"])

    assert (answer.status, answer.code) == (400, "api_key")
    assert session_of(world, logged_in).is_alive


async def test_another_clients_page_may_end_a_session_that_it_holds(world, frontend, logged_in):
    other = world.visit(world.url, key=OTHER_KEY)

    await other.logout(cookie_pair(logged_in.cookies[0]), logged_in["session"]["logout_token"])

    assert not session_of(world, logged_in).is_alive


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [(Kind.BAD_GATEWAY, 502, "drupal_invalid"), (Kind.DROP, 503, "drupal_unavailable")],
)
async def test_it_does_not_claim_what_drupal_did_not_do(world, frontend, logged_in, kind, status, code):
    world.drupal.fault = Fault(kind=kind, at=Endpoint.LOGOUT)

    answer = await frontend.logout(cookie_pair(logged_in.cookies[0]), logged_in["session"]["logout_token"])

    assert (answer.status, answer.code) == (status, code)
    assert not answer.cookies


async def test_it_brings_drupal_the_session_cookie_alone(world, frontend, logged_in):
    pair = cookie_pair(logged_in.cookies[0])

    await frontend.logout(f"tracking=1; {pair}; other=2", logged_in["session"]["logout_token"])

    [call] = world.drupal.called("/user/logout")
    assert call.headers["Cookie"] == pair


async def test_sessions_in_several_cookie_headers_are_all_ended(world, frontend):
    sent = [f"Cookie: SESS{letter * 32}=value" for letter in "ab"]

    answer = await post(world.url, "logout", {"apiKey": KEY, "logout_token": "token"}, *sent)

    assert answer.status == 200
    assert [call.headers["Cookie"] for call in world.drupal.called("/user/logout")] == [
        cookie.removeprefix("Cookie: ") for cookie in sent
    ]


async def test_many_cookies_are_not_many_calls(world, frontend):
    await frontend.logout("; ".join(f"SESS{n:032x}=v{n}" for n in range(200)), "token")

    assert len(world.drupal.called("/user/logout")) <= 4


async def test_a_token_stays_one_query_parameter(world, frontend):
    for token in ("a&_format=html", "a#b", "a b", "ü", "%00", "../x", "a" * 128):
        assert (await frontend.logout("SESS" + "a" * 32 + "=v", token)).status == 200

    calls = world.drupal.called("/user/logout")
    assert len(calls) == 7
    assert all(call.path.startswith("/user/logout?_format=json&token=") for call in calls)
    assert {call.path.count("&") for call in calls} == {1}


async def test_drupal_is_told_the_address_of_the_user(world, frontend):
    user = world.visit(frontend.url, headers={"X-Forwarded-For": "203.0.113.66"})

    await user.logout("SESS" + "a" * 32 + "=made-up", "token")

    [call] = world.drupal.called("/user/logout")
    assert call.headers.getall("X-Forwarded-For") == ["203.0.113.66"]


async def test_a_wrong_logout_token_leaves_no_session_that_is_said_to_be_gone(world, frontend, logged_in):
    answer = await frontend.logout(cookie_pair(logged_in.cookies[0]), "not-its-token")

    assert answer.status == 200
    assert not world.drupal.ledger.alive(2)
