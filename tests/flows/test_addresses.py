"""Whose address: forwarding headers are believed from our own proxies, and Drupal gets exactly one canonical address."""

import pytest

from gateway.demo.drupal.site import DrupalOptions


@pytest.fixture
def store():
    return {"kind": "memory"}


async def seen_by_drupal(world, headers, **settings):
    async with world.open_gateway(**settings) as frontend:
        await frontend.post(
            "authenticate", {"username": "alice", "password": "alice-pass-1", "apiKey": frontend.key}, headers=headers
        )
    return world.drupal.called("/user/login")[-1]


async def test_without_a_trusted_proxy_the_peer_is_the_visitor(world):
    claims = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}

    call = await seen_by_drupal(
        world,
        claims,
        trusted_proxies=[],
        headless={"clients": [{"id": "web", "api_key": "an-api-key-of-the-web-frontend"}]},
    )

    assert call.headers.getall("X-Forwarded-For") == ["127.0.0.1"]
    assert "Forwarded" not in call.headers
    assert "X-Real-IP" not in call.headers


async def test_an_untrusted_proxy_is_named_once_with_the_line_to_add(world, events):
    clients = [{"id": "web", "api_key": "an-api-key-of-the-web-frontend"}]
    async with world.open_gateway(trusted_proxies=[], headless={"clients": clients}) as frontend:
        for _ in range(3):
            await frontend.post("authenticate", {}, headers={"X-Forwarded-For": "203.0.113.9"})

    [said] = [event for event in events if event["event"] == "address.untrusted_forwarding"]
    assert said["add"] == "trusted_proxies: [127.0.0.1]"
    assert "203.0.113.9" not in str(events)


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"X-Forwarded-For": "203.0.113.9"}, "203.0.113.9"),
        ({"X-Forwarded-For": "10.0.0.1, 203.0.113.9"}, "203.0.113.9"),
        ({"X-Forwarded-For": "203.0.113.9, 127.0.0.7"}, "203.0.113.9"),
        ({"X-Forwarded-For": "evil, 127.0.0.7"}, "127.0.0.7"),
        ({"X-Forwarded-For": "203.0.113.9:4711"}, "203.0.113.9"),
        ({"X-Forwarded-For": "::ffff:203.0.113.9"}, "203.0.113.9"),
        ({"X-Forwarded-For": "2001:DB8:0:0::17"}, "2001:db8::17"),
        ({"X-Forwarded-For": "[2001:db8::17]:4711"}, "2001:db8::17"),
        ({"Forwarded": "for=203.0.113.9"}, "127.0.0.1"),
        ({"X-Forwarded-For": "nonsense"}, "127.0.0.1"),
        ({"X-Forwarded-For": ""}, "127.0.0.1"),
        ({}, "127.0.0.1"),
    ],
)
async def test_from_a_trusted_proxy_the_nearest_untrusted_hop_is_the_visitor(world, headers, address):
    call = await seen_by_drupal(world, headers)

    assert call.headers.getall("X-Forwarded-For") == [address]
    assert call.address == address
    assert "Forwarded" not in call.headers


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"Forwarded": 'for="[2001:db8::17]:4711";proto=https'}, "2001:db8::17"),
        ({"Forwarded": "for=203.0.113.9, for=127.0.0.2"}, "203.0.113.9"),
        ({"Forwarded": "for=203.0.113.9", "X-Forwarded-For": "192.0.2.1"}, "203.0.113.9"),
        ({"X-Forwarded-For": "203.0.113.9"}, "127.0.0.1"),
    ],
)
async def test_of_proxies_that_set_the_other_header_the_other_one_counts(world, headers, address):
    call = await seen_by_drupal(world, headers, forwarding_header="forwarded")

    assert call.headers.getall("X-Forwarded-For") == [address]
    assert "Forwarded" not in call.headers


async def test_every_call_of_one_login_carries_the_same_address(world):
    await seen_by_drupal(world, {"X-Forwarded-For": "203.0.113.9"})

    calls = [call for call in world.drupal.calls if "logout" not in call.path]
    assert len(calls) >= 2
    assert {call.address for call in calls} == {"203.0.113.9"}


async def test_of_the_clients_headers_drupal_sees_two_and_those_cut(world):
    sent = {
        "User-Agent": "Agent " + "a" * 400,
        "Accept-Language": "de\u00e9 fr",
        "Authorization": "Basic YWxpY2U6eA==",
        "PHP-AUTH-USER": "alice",
        "X-HTTP-Method-Override": "GET",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "444",
        "Cookie": "a=b",
        "Accept-Encoding": "gzip",
        "Traceparent": "00-aa",
        "X-Secret": "x",
    }

    call = await seen_by_drupal(world, sent)

    names = {name.lower() for name in call.headers}
    assert names == {
        "host",
        "x-forwarded-for",
        "user-agent",
        "accept-language",
        "accept",
        "content-type",
        "content-length",
    }
    assert call.headers["User-Agent"] == ("Agent " + "a" * 400)[:256]
    assert call.headers["Accept-Language"].isascii()


async def test_without_a_user_agent_drupal_gets_the_gateways_own(world):
    async with (
        world.open_gateway() as frontend,
        frontend._http.post(
            f"{frontend.url}/headless/authenticate",
            json={"username": "alice", "password": "x", "apiKey": frontend.key},
            skip_auto_headers=["User-Agent"],
        ) as answer,
    ):
        assert answer.status == 401

    assert world.drupal.called("/user/login")[0].headers["User-Agent"] == "Headgate"


class TestADrupalThatDoesNotTrustUs:
    @pytest.fixture
    def drupal_options(self):
        return DrupalOptions(reverse_proxy_addresses=())

    async def test_it_counts_the_gateways_own_address(self, world):
        call = await seen_by_drupal(world, {"X-Forwarded-For": "203.0.113.9"})

        assert call.address == "127.0.0.1"


@pytest.mark.parametrize(("audit", "logged"), [("full", "203.0.113.9"), ("prefix", "203.0.113.0/24"), ("off", None)])
async def test_audit_events_carry_as_much_of_the_address_as_configured(world, events, audit, logged):
    await seen_by_drupal(world, {"X-Forwarded-For": "203.0.113.9"}, audit={"address": audit})

    [event] = [event for event in events if event["event"] == "authenticate.ok"]
    assert event["address"] == logged
