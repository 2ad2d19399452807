"""What a hostile reader found: each sentence was once untrue."""

import asyncio

import pytest

from gateway.demo.drupal.faults import Endpoint, Fault, Kind
from gateway.drupal.contacts import Contacts
from gateway.drupal.session import SessionDrupal
from gateway.errors import DrupalUnavailable
from gateway.web.http.client_ip import from_forwarded
from tests.wire import ask, post
from tests.world import KEY, cookie_pair

A_COOKIE = f"SESS{'a' * 32}=made-up"


@pytest.fixture
def store():
    return {"kind": "memory"}


async def test_made_up_cookies_to_log_out_take_no_more_than_a_quarter_of_drupal(world):
    world.drupal.fault = Fault(kind=Kind.SLOW, at=Endpoint.LOGOUT, seconds=1)
    async with world.open_gateway(drupal={"max_concurrent": 8}) as frontend:
        attacker = world.visit(frontend.url, headers={"X-Forwarded-For": "203.0.113.66"})
        visitor = world.visit(frontend.url, headers={"X-Forwarded-For": "198.51.100.7"})
        attempts = [asyncio.create_task(attacker.logout(A_COOKIE, "token")) for _ in range(40)]
        await world.eventually(lambda: world.drupal.called("/user/logout"))

        answer = await visitor.authenticate()

        assert answer.status == 200
        codes = [attempt.code for attempt in await asyncio.gather(*attempts)]
        assert codes.count("drupal_busy") == 36
        assert len(world.drupal.called("/user/logout")) == 4


async def test_log_outs_of_a_client_are_told_to_drupal_with_his_address(world, frontend):
    visitor = world.visit(frontend.url, headers={"X-Forwarded-For": "203.0.113.66"})

    await visitor.logout(A_COOKIE, "token")

    [call] = world.drupal.called("/user/logout")
    assert call.headers.getall("X-Forwarded-For") == ["203.0.113.66"]


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://a]b", "http://\N{ACCOUNT OF}"])
async def test_an_origin_that_is_none_is_a_foreign_one(frontend, origin):
    body = {"username": "alice", "transactionID": "x", "apiKey": KEY}

    reply = await post(frontend.url, "status", body, f"Origin: {origin}")

    assert (reply.status, reply.code) == (403, "origin")


async def test_a_page_whose_name_no_file_can_have_is_not_there(frontend):
    reply = await ask(frontend.url, f"GET /headless/docs/{'a' * 300}.js HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize(
    "headers",
    [
        ['for=203.0.113.9;host="x,for=192.0.2.66"'],
        ['host="x;for=192.0.2.66";for=203.0.113.9'],
        [r'host="x\",for=192.0.2.66";for=203.0.113.9'],
        ['for=192.0.2.66;host="', 'for=203.0.113.9;host="x"'],
    ],
)
def test_a_host_that_a_proxy_repeats_in_quotes_names_no_hop(headers):
    assert from_forwarded(headers)[0] == "203.0.113.9"


async def test_a_code_lives_as_long_as_was_told_however_slowly_the_account_was_read(world, monkeypatch):
    read = Contacts.read

    async def slowly(self, session, get):
        account = await read(self, session, get)
        await asyncio.sleep(2)
        return account

    monkeypatch.setattr(Contacts, "read", slowly)
    async with world.open_gateway(code={"lifetime_seconds": 10}) as frontend:
        opened = await frontend.authenticate()
        code = await world.code()
        world.clock.ahead = opened["expiresIn"] - 1
        await asyncio.sleep(0.2)

        answer = await frontend.login(opened, code)

    assert opened["expiresIn"] <= 8
    assert answer.status == 200


async def test_a_session_that_cannot_be_ended_keeps_no_other_from_being_ended(world, monkeypatch):
    log_out = SessionDrupal.log_out

    async def refusing(self, session, *, visitor=None):
        if session.uid == "2":
            raise DrupalUnavailable("refused")
        return await log_out(self, session, visitor=visitor)

    async with world.open_gateway() as frontend:
        for username in ("alice", "alice", "alice", "bob"):
            assert (await frontend.authenticate(username)).status == 200
        monkeypatch.setattr("gateway.login.reaper.AT_ONCE", 3)
        monkeypatch.setattr(SessionDrupal, "log_out", refusing)

    assert not world.drupal.ledger.alive(3)
    assert len(world.drupal.ledger.alive(2)) == 3


async def test_a_wrong_logout_token_leaves_no_session_that_is_said_to_be_gone(world, frontend):
    opened = await frontend.authenticate()
    won = await frontend.login(opened, await world.code())

    answer = await frontend.logout(cookie_pair(won.cookies[0]), "not-its-token")

    assert answer.status == 200
    assert not world.drupal.ledger.alive(2)
