"""/headless/logout: Drupal's session is gone, and the browser's cookie with it."""

import pytest

from gateway.demo.drupal.faults import Endpoint, Fault, Kind
from gateway.demo.drupal.site import DrupalOptions
from tests.flows.steps import logged_out, session_of
from tests.wire import post
from tests.world import KEY, MADE_UP_COOKIE, OTHER_KEY, cookie_pair


@pytest.fixture(params=["10", "11"])
def drupal_options(request):
    return DrupalOptions(version=request.param)


def made_log_outs(world):
    """The requests that carry a log-out's token; without a session, Drupal's own page is asked too."""
    return [call for call in world.drupal.called("/user/logout") if "token=" in call.path]


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
    answer = await frontend.logout(MADE_UP_COOKIE, "nonsense")

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


async def test_its_session_is_found_in_any_cookie_header(world, frontend):
    sent = ["Cookie: lang=de", f"Cookie: {MADE_UP_COOKIE}"]

    answer = await post(world.url, "logout", {"apiKey": KEY, "logout_token": "token"}, *sent)

    assert answer.status == 200
    assert [call.headers["Cookie"] for call in made_log_outs(world)] == [MADE_UP_COOKIE]


async def test_of_many_cookies_only_the_sites_own_is_brought_to_drupal(world, frontend):
    others = [f"SESS{n:032x}=v{n}" for n in range(40)]

    await frontend.logout("; ".join([*others, MADE_UP_COOKIE, *others, MADE_UP_COOKIE]), "token")

    assert [call.headers["Cookie"] for call in made_log_outs(world)] == [MADE_UP_COOKIE]


async def test_once_the_site_has_named_its_cookie_drupal_hears_of_no_other(world, frontend, logged_in):
    answer = await frontend.logout("SESS" + "a" * 32 + "=made-up", "token")

    assert (answer.status, answer["status"]) == (200, "SUCCESS")
    assert not made_log_outs(world)
    assert session_of(world, logged_in).is_alive


async def test_a_token_stays_one_query_parameter(world, frontend):
    for token in ("a&_format=html", "a#b", "a b", "ü", "%00", "../x", "a" * 128):
        assert (await frontend.logout(MADE_UP_COOKIE, token)).status == 200

    calls = world.drupal.called("/user/logout")
    assert len(calls) == 7
    assert all(call.path.startswith("/user/logout?_format=json&token=") for call in calls)
    assert {call.path.count("&") for call in calls} == {1}


async def test_drupal_is_told_the_address_of_the_user(world, frontend):
    user = world.visit(frontend.url, headers={"X-Forwarded-For": "203.0.113.66"})

    await user.logout(MADE_UP_COOKIE, "token")

    [call] = world.drupal.called("/user/logout")
    assert call.headers.getall("X-Forwarded-For") == ["203.0.113.66"]


async def test_a_wrong_logout_token_leaves_no_session_that_is_said_to_be_gone(world, frontend, logged_in):
    answer = await frontend.logout(cookie_pair(logged_in.cookies[0]), "not-its-token")

    assert answer.status == 200
    assert not world.drupal.ledger.alive(2)


@pytest.fixture
def few():
    return {"flood": {"logouts": {"most": 2, "seconds": 3600}}}


def visit_from(world, frontend, address):
    return world.visit(frontend.url, headers={"X-Forwarded-For": address})


async def test_log_outs_that_end_nothing_are_limited_before_drupal_is_asked(world, few):
    """By what one subscriber has: another /64 of the same /56 is no other network here."""
    async with world.open_gateway(**few) as frontend:
        answers = [
            await visit_from(world, frontend, f"2001:db8:7:{number:x}::1").logout(MADE_UP_COOKIE, "token")
            for number in range(4)
        ]
        elsewhere = await visit_from(world, frontend, "2001:db8:7:100::1").logout(MADE_UP_COOKIE, "token")

    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert answers[2].code == "flood"
    assert 0 < int(answers[2].headers["Retry-After"]) <= 3600
    assert elsewhere.status == 200
    assert len(made_log_outs(world)) == 3


async def test_log_outs_that_end_a_session_are_not_counted(world, few):
    async with world.open_gateway(**few) as frontend:
        for number in range(1, 5):
            opened = await frontend.authenticate()
            won = await frontend.login(opened, await world.code(number))

            answer = await frontend.logout(cookie_pair(won.cookies[0]), won["session"]["logout_token"])

            assert answer.status == 200
            assert not session_of(world, won).is_alive


async def test_log_outs_that_drupal_did_not_answer_are_not_counted(world, few):
    async with world.open_gateway(**few) as frontend:
        world.drupal.fault = Fault(kind=Kind.DROP, at=Endpoint.LOGOUT)
        failed = [await frontend.logout(MADE_UP_COOKIE, "token") for _ in range(3)]
        world.drupal.fault = None

        answer = await frontend.logout(MADE_UP_COOKIE, "token")

    assert {answer.code for answer in failed} == {"drupal_unavailable"}
    assert answer.status == 200
