"""Who needs a code: /headless/authenticate hands the session over at once where policy asks for none."""

import time

import pytest

from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.faults import Gate
from gateway.demo.drupal.site import DrupalOptions
from tests.flows.steps import all_ended, session_of
from tests.wire import line, request
from tests.world import CODE, KEY, PASSWORDS, wrong

OFFICE = {"X-Forwarded-For": "192.0.2.7"}
HOME = {"X-Forwarded-For": "198.51.100.7"}
AT_THE_OFFICE = {"exempt_networks": ["192.0.2.0/24", "2001:db8:7::/48"]}
EDITOR = User(uid=30, name="editor", password="editor-pass-1", mail="editor@example.test", roles=("editor",))
KIOSK = User(uid=31, name="kiosk", password="kiosk-pass-1", mail="kiosk@example.test", roles=("kiosk",))
NOWHERE = User(uid=32, name="nowhere", password="nowhere-pass-1", roles=("editor",))


def named(events, name):
    return [event for event in events if event["event"] == name]


def reasons(events, name="authenticate.exempted"):
    return [event["reason"] for event in named(events, name)]


async def came_in(world, frontend, username="alice", password=None, **more):
    """Log in with the code that comes by mail."""
    before = len(world.mailbox.mails)
    opened = await frontend.authenticate(username, password, **more)
    assert opened.status == 200, opened.body
    answer = await frontend.login(opened, await world.code(before + 1))
    assert answer.status == 200, answer.body
    return answer


@pytest.fixture
async def office(world):
    """A frontend whose visitors sit in an exempt network."""
    async with world.open_gateway(policy=AT_THE_OFFICE) as frontend:
        frontend.headers.update(OFFICE)
        yield frontend


@pytest.fixture
async def home(world, office):
    return world.visit(office.url, headers=HOME)


# --- Networks, and what an exempt login gets -------------------------------------------------------------------------


async def test_a_login_from_an_exempt_network_gets_the_session_at_once(world, office, events):
    answer = await office.authenticate()

    session = session_of(world, answer)
    assert answer.status == 200
    assert answer.body == {
        "username": "alice",
        "status": "SUCCESS",
        "message": "You are logged in.",
        "userprofile": answer["userprofile"],
        "session": {"csrf_token": session.csrf_token, "logout_token": session.logout_token},
        "authType": "NONE",
    }
    assert session.uid == 2
    assert not world.mailbox.mails
    [event] = named(events, "authenticate.exempted")
    assert (event["reason"], event["uid"], event["client"]) == ("network", "2", "web")


async def test_its_answer_is_that_of_a_login_with_a_code(world, office, home):
    with_code = await came_in(world, home)
    without = await office.authenticate()

    assert without.body.keys() - with_code.body.keys() == {"authType"}
    assert with_code.body.keys() - without.body.keys() <= {"manageToken"}
    assert without["userprofile"] == with_code["userprofile"]
    assert without.headers["Cache-Control"] == "no-store"


async def test_everybody_else_is_asked_for_a_code(office, home):
    assert (await home.authenticate())["authType"] == "EMAIL"


@pytest.mark.parametrize(
    "claimed", ["192.0.2.7, 198.51.100.7", "198.51.100.7, 127.0.0.1", "192.0.3.7", "::1", "nonsense, 192.0.2.7x"]
)
async def test_an_address_that_the_visitor_only_claims_exempts_nobody(office, claimed):
    office.headers["X-Forwarded-For"] = claimed

    assert "transactionID" in (await office.authenticate()).body


@pytest.mark.parametrize("claimed", ["::ffff:192.0.2.7", "2001:DB8:7::1", "10.9.9.9, 192.0.2.7", "192.0.2.7:4711"])
async def test_the_canonical_address_is_judged_however_it_is_spelled(office, claimed):
    office.headers["X-Forwarded-For"] = claimed

    assert (await office.authenticate())["authType"] == "NONE"


async def test_a_proxy_that_names_no_visitor_exempts_nobody(world):
    async with world.open_gateway(policy={"exempt_networks": ["127.0.0.0/8"]}) as frontend:
        assert "transactionID" in (await frontend.authenticate()).body


async def test_who_asks_for_a_method_gets_a_code_even_where_none_is_needed(world, office):
    assert (await came_in(world, office, authType="EMAIL")).status == 200
    assert (await office.authenticate(authType="WHATSAPP")).code == "not_enrolled"


async def test_what_was_handed_over_without_a_code_is_left_alone_by_the_reaper(world, office, home):
    handed = await office.authenticate()
    waiting = await home.authenticate("bob")
    world.clock.ahead = 3600

    await world.eventually(lambda: not world.drupal.ledger.alive(3))
    assert waiting.status == 200
    assert session_of(world, handed).is_alive


async def test_it_is_parked_then_marked_as_being_handed_over_and_removed_once_it_was(world, redis_server):
    store = {"kind": "redis", "url": redis_server.url}
    async with world.open_gateway(policy=AT_THE_OFFICE, store=store) as frontend:
        frontend.headers.update(OFFICE)
        before = time.time()
        with redis_server.watching() as seen:
            assert (await frontend.authenticate())["authType"] == "NONE"
            await world.eventually(lambda: redis_server.ask("KEYS headgate:parked:*") == b"*0\r\n")

    changes = [command.split(b'"')[1::2] for command in seen if b'"headgate:deadlines"' in command]
    (parked, _, due_at, key), marked, removed = [one for one in changes if one[0] in (b"ZADD", b"ZREM")]
    assert (parked, marked[::2], marked[4], removed[0]) == (b"ZADD", [b"ZADD", b"XX", key], key, b"ZREM")
    assert float(due_at) - before == pytest.approx(300, abs=5)
    assert float(marked[3]) - before == pytest.approx(60, abs=5)


@pytest.mark.parametrize("how", ["FIN", "RST"])
async def test_who_left_before_the_answer_leaves_no_session(world, office, events, how):
    body = {"username": "alice", "password": PASSWORDS["alice"], "apiKey": KEY}
    world.drupal.gate = Gate(after_birth=True)
    async with line(world.url) as open_line:
        await open_line.send(request("authenticate", body, "X-Forwarded-For: 192.0.2.7"))
        await world.drupal.gate.reached()
        open_line.finish() if how == "FIN" else open_line.reset()
        world.drupal.gate.release()
        await world.eventually(lambda: named(events, "authenticate.client_gone") or named(events, "authenticate.ok"))

    assert named(events, "authenticate.client_gone")
    # At once, and not when it would have been given up for lost.
    await all_ended(world)


async def test_a_wrong_password_from_an_exempt_network_is_refused_and_counted(office):
    refused = [await office.authenticate("alice", "nope") for _ in range(5)]

    assert [answer.code for answer in refused] == ["credentials"] * 4 + ["flood"]
    assert (await office.authenticate()).code == "flood"


async def test_an_exempt_login_clears_the_names_refused_passwords_as_every_right_one_does(office):
    for _ in range(2):
        for _ in range(3):
            assert (await office.authenticate("alice", "nope")).code == "credentials"
        assert (await office.authenticate())["authType"] == "NONE"


async def fail(frontend, times):
    for _ in range(times):
        opened = await frontend.authenticate()
        assert (await frontend.login(opened, "no code")).code == "wrong_otp"


async def test_a_lock_comes_before_every_exemption(world, office, home):
    await fail(home, 10)

    for _ in range(2):
        assert (await office.authenticate()).code == "account_locked"

    # The logins from home that still wait for their code.
    await world.eventually(lambda: len(world.drupal.ledger.alive(2)) == 3)


async def test_a_login_without_a_code_clears_no_wrong_codes(office, home):
    await fail(home, 9)
    assert (await office.authenticate())["authType"] == "NONE"
    await fail(home, 1)

    assert (await home.authenticate()).code == "account_locked"


# --- Roles -----------------------------------------------------------------------------------------------------------


class TestRolesThatCanBeRead:
    @pytest.fixture
    def drupal_options(self):
        return DrupalOptions(reverse_proxy_addresses=("127.0.0.1",), roles_visible=True)

    @pytest.fixture(autouse=True)
    def _people(self, world):
        for user in (EDITOR, KIOSK, NOWHERE):
            world.drupal.add_user(user)

    async def test_only_pilot_roles_need_a_code(self, world, events):
        async with world.open_gateway(policy={"require": "roles", "roles": ["editor"]}) as frontend:
            await came_in(world, frontend, "editor", "editor-pass-1")
            assert (await frontend.authenticate())["authType"] == "NONE"

        assert reasons(events) == ["role"]

    async def test_an_exempt_role_needs_none(self, world, events):
        async with world.open_gateway(policy={"exempt_roles": ["kiosk"]}) as frontend:
            assert (await frontend.authenticate("kiosk", "kiosk-pass-1"))["authType"] == "NONE"
            assert "transactionID" in (await frontend.authenticate("editor", "editor-pass-1")).body

        assert reasons(events) == ["role"]

    async def test_a_role_says_which_methods_may_be_used(self, world):
        policy = {"by_role": [{"role": "editor", "methods": ["SMS"]}, {"role": "kiosk", "methods": ["EMAIL"]}]}
        world.drupal.add_user(
            User(uid=33, name="both", password="both-pass-1", phone="+15550100033", mail="both@example.test",
                 roles=("kiosk", "editor"))
        )  # fmt: skip
        async with world.open_gateway(policy=policy, channels={"sms": {"kind": "console"}}) as frontend:
            both = await frontend.authenticate("both", "both-pass-1")
            assert (both["authType"], both["methods"]) == ("SMS", ["SMS"])
            assert (await frontend.authenticate("both", "both-pass-1", authType="EMAIL")).code == "not_enrolled"
            assert (await frontend.authenticate("editor", "editor-pass-1")).code == "no_destination"
            assert (await frontend.authenticate("kiosk", "kiosk-pass-1"))["methods"] == ["EMAIL"]


class TestRolesThatAreHidden:
    """A stock Drupal: only who administers users is shown his roles."""

    @pytest.mark.parametrize(
        "policy",
        [
            {"require": "roles", "roles": ["editor"]},
            {"exempt_roles": ["kiosk"]},
            {"by_role": [{"role": "editor", "methods": ["EMAIL"]}]},
        ],
        ids=lambda policy: next(reversed(policy)),
    )
    async def test_a_rule_on_roles_is_an_error_and_the_event_says_what_to_change(self, world, events, policy):
        async with world.open_gateway(policy=policy) as frontend:
            answer = await frontend.authenticate()
            await all_ended(world)

        assert (answer.status, answer.code) == (502, "policy_unreadable")
        assert answer.body.keys() == {"username", "status", "message", "code"}
        assert not answer.cookies
        assert not any(CODE.search(mail.plain) for mail in world.mailbox.mails)
        [event] = named(events, "policy.unreadable")
        assert event["permission"] == "administer users"
        assert "roles" in event["change"]
        assert (event["uid"], event["log_level"]) == ("2", "warning")

    async def test_a_wrong_password_is_told_nothing_of_it(self, world):
        async with world.open_gateway(policy={"exempt_roles": ["kiosk"]}) as frontend:
            assert (await frontend.authenticate("alice", "nope")).code == "credentials"

    async def test_who_administers_users_shows_his_own(self, world):
        async with world.open_gateway(policy={"require": "roles", "roles": ["administrator"]}) as frontend:
            await came_in(world, frontend, "admin")

    async def test_a_network_exempts_without_them(self, world):
        async with world.open_gateway(policy={"exempt_roles": ["kiosk"]} | AT_THE_OFFICE) as frontend:
            frontend.headers.update(OFFICE)
            assert (await frontend.authenticate())["authType"] == "NONE"


# --- Observe ---------------------------------------------------------------------------------------------------------


async def test_who_is_only_observed_needs_no_code(world, events):
    async with world.open_gateway(policy={"require": "observe"}) as frontend:
        answer = await frontend.authenticate()

    assert (answer["authType"], len(answer.cookies)) == ("NONE", 1)
    assert reasons(events) == ["observe"]
    assert not named(events, "authenticate.would_fail")


async def test_that_it_only_observes_is_said_loudly_at_start(world, events):
    async with world.open_gateway(policy={"require": "observe"}):
        [event] = named(events, "policy.observes")

    assert event["log_level"] == "warning"


async def test_without_observing_nothing_is_said_at_start(frontend, events):
    assert not named(events, "policy.observes")


async def test_who_would_have_failed_is_let_in_and_told_with_the_reason(world, events):
    world.drupal.add_user(NOWHERE)
    async with world.open_gateway(policy={"require": "observe"}) as frontend:
        answer = await frontend.authenticate("nowhere", "nowhere-pass-1")

    assert answer["authType"] == "NONE"
    [event] = named(events, "authenticate.would_fail")
    assert (event["reason"], event["uid"], event["log_level"]) == ("no_destination", "32", "warning")


async def test_roles_that_can_not_be_read_are_found_out_by_observing(world, events):
    async with world.open_gateway(policy={"require": "observe", "roles": ["editor"]}) as frontend:
        assert (await frontend.authenticate())["authType"] == "NONE"

    assert reasons(events, "authenticate.would_fail") == ["policy_unreadable"]


async def test_accounts_that_can_not_be_read_are_found_out_by_observing(world, events):
    """rest is not enabled, so nothing shows an account."""
    async with world.open_gateway(policy={"require": "observe"}, drupal={"contacts": "rest"}) as frontend:
        answer = await frontend.authenticate()

    assert (answer["authType"], answer["userprofile"]) == ("NONE", {"uid": [{"value": 2}]})
    assert reasons(events, "authenticate.would_fail") == ["no_destination"]
    assert named(events, "drupal.contacts_unreadable")


async def test_who_asks_for_a_method_while_observed_gets_its_code_or_comes_in_without(world, events):
    async with world.open_gateway(policy={"require": "observe"}) as frontend:
        await came_in(world, frontend, authType="EMAIL")
        assert (await frontend.authenticate(authType="SMS"))["authType"] == "NONE"

    assert reasons(events, "authenticate.would_fail") == ["not_enrolled"]


async def test_a_wrong_password_is_refused_while_observed(world):
    async with world.open_gateway(policy={"require": "observe"}) as frontend:
        assert (await frontend.authenticate("alice", "nope")).code == "credentials"


# --- Methods ---------------------------------------------------------------------------------------------------------


async def test_user_choice_offers_the_methods_of_policy_in_their_order(world):
    settings = {"method": "user choice", "policy": {"methods": ["SMS", "EMAIL"]}}
    async with world.open_gateway(**settings, channels={"sms": {"kind": "console"}}) as frontend:
        opened = await frontend.authenticate()
        chosen = await frontend.authenticate(authType="EMAIL")

        assert (opened["authType"], opened["methods"]) == ("SMS", ["SMS", "EMAIL"])
        assert (await frontend.login(chosen, wrong(await world.code()))).code == "wrong_otp"


async def test_a_method_that_policy_does_not_name_is_not_one_of_the_accounts(world):
    settings = {"policy": {"methods": ["EMAIL"]}, "channels": {"sms": {"kind": "console"}}}
    async with world.open_gateway(**settings) as frontend:
        opened = await frontend.authenticate()

        assert opened["methods"] == ["EMAIL"]
        assert (await frontend.authenticate(authType="SMS")).code == "not_enrolled"
        assert (await frontend.resend(opened, switchTo="SMS")).code == "not_enrolled"


async def test_a_proxy_that_nobody_named_exempts_nobody(world):
    """Everybody behind it would have its address."""
    near = {"exempt_networks": ["127.0.0.0/8"]}
    alone = {"clients": [{"id": "web", "api_key": KEY}]}
    async with world.open_gateway(trusted_proxies=[], headless=alone, policy=near) as frontend:
        for header in ({"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}):
            behind_it = await world.visit(frontend.url, headers=header).authenticate()
            assert behind_it["authType"] == "EMAIL"

        assert (await frontend.authenticate())["authType"] == "NONE"
