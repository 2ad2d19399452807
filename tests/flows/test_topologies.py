"""Three ways to stand beside Drupal: one host, a server-side frontend, and a host of its own; what Drupal's cookie becomes."""

import hashlib

import pytest

from gateway.demo.drupal.site import DrupalOptions
from tests.flows.steps import session_of
from tests.world import SERVER_KEY, cookie_pair

TRUSTING = DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), trusted_hosts=(r"^www\.example\.org$",))
UNTRUSTING = DrupalOptions(reverse_proxy_addresses=(), trusted_hosts=(r"^www\.example\.org$",))
WWW = "https://www.example.org"


@pytest.fixture
def store():
    return {"kind": "memory"}


def cookie_name(host, *, secure):
    return ("SSESS" if secure else "SESS") + hashlib.sha256(host.encode()).hexdigest()[:32]


async def logged_in(world, frontend):
    opened = await frontend.authenticate()
    assert opened.status == 200
    return await frontend.login(opened, await world.code(len(world.mailbox.mails) or 1))


class TestOneHostBehindTls:
    @pytest.fixture
    def drupal_options(self):
        return TRUSTING

    async def test_the_cookie_is_the_one_that_drupal_sets_for_its_visitors(self, world, events):
        async with world.open_gateway(public_url=WWW) as frontend:
            answer = await logged_in(world, frontend)

        [cookie] = answer.cookies
        assert cookie.startswith(f"{cookie_name('www.example.org', secure=True)}={session_of(world, answer).value}; ")
        attributes = [part.strip().lower() for part in cookie.split(";")]
        assert {"domain=.www.example.org", "secure", "httponly", "samesite=lax", "path=/"} <= set(attributes)
        assert not [event for event in events if event["event"] == "relay.unusable_cookie"]

    async def test_every_call_has_the_same_host_and_scheme(self, world):
        async with world.open_gateway(public_url=WWW) as frontend:
            answer = await logged_in(world, frontend)
            await frontend.logout(cookie_pair(answer.cookies[0]), answer["session"]["logout_token"])

        assert len(world.drupal.calls) >= 3
        assert {call.headers["Host"] for call in world.drupal.calls} == {"www.example.org"}
        assert {call.headers["X-Forwarded-Proto"] for call in world.drupal.calls} == {"https"}
        assert not [call for call in world.drupal.calls if "X-Forwarded-Host" in call.headers]
        assert not world.drupal.ledger.alive()

    async def test_logging_out_deletes_the_cookie_in_the_scope_that_it_has(self, world):
        async with world.open_gateway(public_url=WWW) as frontend:
            answer = await logged_in(world, frontend)
            pair, token = cookie_pair(answer.cookies[0]), answer["session"]["logout_token"]
            first = await frontend.logout(pair, token)
            again = await frontend.logout(pair, token)

        for deleting in (*first.cookies, *again.cookies):
            attributes = {part.strip().lower() for part in deleting.split(";")}
            assert {"domain=.www.example.org", "secure", "path=/", "max-age=0"} <= attributes

    async def test_a_host_that_drupal_does_not_trust_is_502(self, world):
        async with world.open_gateway(public_url="https://other.example.org") as frontend:
            answer = await frontend.authenticate()

        assert (answer.status, answer.code) == (502, "drupal_invalid")


class TestDrupalDoesNotTrustTheGateway:
    @pytest.fixture
    def drupal_options(self):
        return UNTRUSTING

    async def test_the_login_works_and_the_event_names_the_lines_to_change(self, world, events):
        async with world.open_gateway(public_url=WWW) as frontend:
            answer = await logged_in(world, frontend)

        assert answer.cookies[0].startswith(cookie_name("www.example.org", secure=False))
        [event] = [event for event in events if event["event"] == "relay.unusable_cookie"]
        assert event["reason"] == "not_secure"
        assert "reverse_proxy_addresses" in event["change"]
        assert session_of(world, answer).value not in str(events)


class TestAServerSideFrontend:
    @pytest.fixture
    def drupal_options(self):
        return DrupalOptions(reverse_proxy_addresses=("127.0.0.1",))

    async def test_it_keeps_the_cookie_and_its_visitors_keep_their_own_addresses(self, world):
        async with world.open_gateway():
            for number in range(1, 4):
                frontend = world.visit(world.url, key=SERVER_KEY, headers={"X-Forwarded-For": f"203.0.113.{number}"})
                opened = await frontend.authenticate()
                assert (await frontend.login(opened, await world.code(number))).status == 200

        assert [session.hostname for session in world.drupal.ledger.alive()] == [f"203.0.113.{n}" for n in range(1, 4)]

    async def test_without_a_public_url_drupal_is_called_by_its_own_name(self, world):
        async with world.open_gateway() as frontend:
            answer = await logged_in(world, frontend)

        assert answer.cookies[0].startswith(cookie_name("localhost", secure=False))
        assert {call.headers["Host"] for call in world.drupal.calls} == {world.drupal_url.removeprefix("http://")}
        assert not [call for call in world.drupal.calls if "X-Forwarded-Proto" in call.headers]


class TestAHostOfItsOwn:
    @pytest.fixture
    def drupal_options(self):
        return TRUSTING

    async def test_a_domain_that_the_browser_must_reject_is_said(self, world, events):
        settings = {"public_url": "https://login.example.org", "drupal": {"public_url": WWW}}
        async with world.open_gateway(**settings) as frontend:
            answer = await logged_in(world, frontend)

        assert "domain=.www.example.org" in answer.cookies[0]
        assert {call.headers["Host"] for call in world.drupal.calls} == {"www.example.org"}
        [event] = [event for event in events if event["event"] == "relay.unusable_cookie"]
        assert event["reason"] == "domain"

    async def test_a_secure_cookie_over_plain_http_is_said(self, world, events):
        settings = {"public_url": "http://www.example.org", "drupal": {"public_url": WWW}}
        async with world.open_gateway(**settings) as frontend:
            await logged_in(world, frontend)

        assert [event["reason"] for event in events if event["event"] == "relay.unusable_cookie"] == ["secure"]
