"""/headless/authenticate: the password is checked once, Drupal's session parked, a code sent; nothing leaves before."""

import asyncio

import pytest

from gateway.app import gateway
from gateway.demo.drupal.accounts import User, example_users
from gateway.demo.drupal.ledger import Ending
from gateway.demo.drupal.signing_in import BY_ACCOUNT
from gateway.demo.drupal.site import DrupalOptions
from gateway.process import listening
from gateway.settings import Settings
from tests.flows.steps import alike, all_ended
from tests.world import OTHER_KEY, PASSWORDS, SERVER_KEY, code_in

NOWHERE = User(uid=20, name="nowhere", password="nowhere-pass-1")
BY_PHONE = User(uid=21, name="phone", password="phone-pass-1", phone="+15550100021")
PASSWORD_OF = {user.name: user.password for user in example_users()}


async def test_a_right_password_opens_a_transaction(frontend):
    opened = await frontend.authenticate()

    assert opened.status == 200
    assert opened.body == {
        "username": "alice",
        "status": "SUCCESS",
        "message": f"A code was sent to {opened['destination']}.",
        "transactionID": opened["transactionID"],
        "authType": "EMAIL",
        "destination": "a•••@e••••.test",
        "expiresIn": 300,
        "resendIn": 0,
        "methods": ["EMAIL"],
    }
    assert len(opened["transactionID"]) == 43


async def test_nothing_of_drupals_session_leaves_before_the_code(world, frontend):
    opened = await frontend.authenticate()

    [session] = world.drupal.ledger.alive()
    assert not opened.cookies
    for secret in (session.value, session.csrf_token, session.logout_token, "alice@example.test"):
        assert secret.encode() not in opened.raw
        assert secret not in str(opened.headers)


async def test_the_code_goes_to_the_accounts_own_address_alone(world, frontend):
    await frontend.authenticate()

    mail = await world.mailbox.mail()
    assert mail.recipients == ("alice@example.test",)
    assert len(code_in(mail)) == 6
    assert len(world.mailbox.mails) == 1


async def test_two_transactions_have_two_ids_and_two_codes(world, frontend):
    first, second = await frontend.authenticate(), await frontend.authenticate()

    assert first["transactionID"] != second["transactionID"]
    assert await world.code(1) != await world.code(2)


async def test_a_login_is_sent_to_drupal_exactly_once_and_without_a_cookie(world, frontend):
    await frontend.post(
        "authenticate",
        {"username": "alice", "password": "alice-pass-1", "apiKey": frontend.key},
        headers={"Cookie": "SESS" + "a" * 32 + "=x; other=y"},
    )

    [call] = world.drupal.called("/user/login")
    assert not call.had_cookie
    assert world.drupal.logins == 1


async def test_users_in_turn_never_share_a_cookie(world, frontend):
    for number, name in enumerate(("alice", "bob", "alice", "dave"), start=1):
        opened = await frontend.authenticate(name)
        assert (await frontend.login(opened, await world.code(number))).status == 200

    assert not [call for call in world.drupal.called("/user/login") if call.had_cookie]
    assert sorted(session.uid for session in world.drupal.ledger.alive()) == [2, 2, 3, 5]


async def test_names_and_passwords_reach_drupal_as_they_were_typed(frontend):
    for name in (*PASSWORD_OF, "ALICE", "àlicé", "alice  "):
        if name != "carol":
            opened = await frontend.authenticate(name, PASSWORD_OF.get(name, "alice-pass-1"))
            assert (opened.status, opened["username"]) == (200, name)


async def test_a_password_is_neither_trimmed_nor_folded(frontend):
    for password in (" alice-pass-1", "alice-pass-1 ", "ALICE-pass-1"):
        assert (await frontend.authenticate("alice", password)).code == "credentials"


async def test_wrong_unknown_and_blocked_are_the_same_bytes(frontend):
    wrong = await frontend.authenticate("alice", "nope")
    unknown = await frontend.authenticate("nobody", "nope")
    blocked = await frontend.authenticate("carol", "carol-pass-1")

    assert (wrong.status, wrong.code, wrong["username"]) == (401, "credentials", "alice")
    assert wrong.body.keys() == {"username", "status", "message", "code"}
    assert alike(wrong) == alike(unknown) == alike(blocked)


async def test_drupals_own_limit_on_an_account_reads_like_a_wrong_password(world, frontend):
    wrong = await frontend.authenticate("alice", "nope")
    for _ in range(5):
        world.drupal.flood.register(BY_ACCOUNT, "2-127.0.0.1")

    held = await frontend.authenticate("alice")

    assert alike(held) == alike(wrong)
    assert not world.drupal.ledger.sessions


async def test_an_unknown_api_key_is_not_told_why(world, frontend):
    for key in ("", "nonsense", frontend.key[:-1], frontend.key + " ", frontend.key.upper(), "ä"):
        answer = await frontend.authenticate(apiKey=key)
        assert (answer.status, answer.code, answer["message"]) == (400, "api_key", "Authentication failed")
        assert answer.body.keys() == {"username", "status", "message", "code"}

    assert not world.drupal.calls


async def test_a_missing_api_key_reads_like_an_unknown_one(world, frontend):
    missing = await frontend.post("authenticate", {"username": "alice", "password": "alice-pass-1"})
    unknown = await frontend.post("authenticate", {"username": "alice", "password": "x", "apiKey": "nonsense"})

    assert alike(missing) == alike(unknown)
    assert not world.drupal.calls


async def test_a_key_given_for_every_client_is_known(frontend):
    for key in (frontend.key, OTHER_KEY, SERVER_KEY):
        assert (await frontend.authenticate(apiKey=key)).status == 200


async def test_a_method_that_the_user_does_not_have_is_refused_and_the_session_ended(world):
    world.drupal.accounts.change(2, phone="")
    async with world.open_gateway(channels={"sms": {"kind": "console"}}) as frontend:
        answer = await frontend.authenticate(authType="SMS")

        assert (answer.status, answer.code) == (403, "not_enrolled")
        assert answer.body.keys() == {"username", "status", "message", "code"}
        await all_ended(world)
        assert world.drupal.login_calls == 1


async def test_the_method_of_the_user_may_be_asked_for(frontend):
    assert (await frontend.authenticate(authType="EMAIL"))["authType"] == "EMAIL"


async def test_a_null_auth_type_asks_for_nothing(frontend):
    assert (await frontend.authenticate(authType=None)).status == 200


async def test_a_fourth_open_login_displaces_the_oldest(world, frontend):
    opened = [await frontend.authenticate() for _ in range(4)]

    oldest, *others = world.drupal.ledger.sessions
    await world.eventually(lambda: not oldest.is_alive)
    assert oldest.how is Ending.LOGGED_OUT
    assert all(session.is_alive for session in others)
    assert (await frontend.login(opened[0], await world.code(1))).code == "transaction_closed"
    # The mails may come in any order, since each has its own connection.
    codes = [code_in(mail) for mail in world.mailbox.mails]
    assert 200 in [(await frontend.login(opened[1], code)).status for code in codes]


async def test_a_fourth_that_is_refused_its_mail_ends_itself_and_displaces_nobody(world, events):
    async with world.open_gateway(flood={"mail": {"most": 3, "seconds": 600}}) as frontend:
        opened = [await frontend.authenticate() for _ in range(3)]

        assert (await frontend.authenticate()).code == "flood"

        *others, refused = world.drupal.ledger.sessions
        await world.eventually(lambda: not refused.is_alive)
        assert all(session.is_alive for session in others)
        assert [(await frontend.status(one)).status for one in opened] == [200] * 3
        assert "authenticate.displaced" not in [event["event"] for event in events]


async def test_another_accounts_logins_displace_nothing(world, frontend):
    for name in ("alice", "bob", "alice", "dave", "alice"):
        await frontend.authenticate(name)

    await asyncio.sleep(0.1)
    assert len(world.drupal.ledger.alive()) == 5


class TestAccountsThatNothingReaches:
    @pytest.fixture
    def drupal_options(self):
        return DrupalOptions(users=(*example_users(), NOWHERE, BY_PHONE))

    @pytest.mark.parametrize("user", [NOWHERE, BY_PHONE])
    async def test_without_a_destination_the_right_password_ends_in_422_and_no_session(self, world, frontend, user):
        answer = await frontend.authenticate(user.name, user.password)

        assert (answer.status, answer.code) == (422, "no_destination")
        await all_ended(world)
        assert len(world.drupal.ledger.sessions) == 1

    async def test_without_a_destination_a_wrong_password_reads_as_always(self, frontend):
        unreachable = await frontend.authenticate(NOWHERE.name, "nope")

        assert alike(unreachable) == alike(await frontend.authenticate("alice", "nope"))

    async def test_a_number_alone_is_a_destination_where_there_is_a_channel_for_it(self, world):
        async with world.open_gateway(channels={"sms": {"kind": "console"}}) as frontend:
            opened = await frontend.authenticate(BY_PHONE.name, BY_PHONE.password)

        assert (opened["authType"], opened["methods"]) == ("SMS", ["SMS"])
        assert opened["destination"] == "+1•••••••0021"


async def test_whoever_has_address_and_number_is_offered_both(world):
    async with world.open_gateway(channels={"sms": {"kind": "console"}}) as frontend:
        opened = await frontend.authenticate()
        both = await frontend.authenticate(authType="SMS AND EMAIL")

    assert opened["authType"] == "EMAIL"
    assert sorted(opened["methods"]) == ["EMAIL", "SMS", "SMS AND EMAIL"]
    assert both["destination"] == "+1•••••••0001 / a•••@e••••.test"


async def test_the_configured_method_comes_first(world):
    async with world.open_gateway(channels={"sms": {"kind": "console"}}, method="SMS") as frontend:
        opened = await frontend.authenticate()

    assert (opened["authType"], opened["methods"][0]) == ("SMS", "SMS")


async def test_without_a_channel_drupal_is_not_even_asked(world):
    settings = Settings.model_validate(world.configuration() | {"channels": {"email": None}})
    async with (
        gateway(settings, clock=world.clock) as opened,
        listening(opened.headless, "127.0.0.1", 0, seconds=1) as port,
    ):
        answer = await world.visit(f"http://localhost:{port}").authenticate()

    assert (answer.status, answer.code) == (503, "delivery_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert not world.drupal.calls


async def test_a_full_outbox_refuses_and_ends_the_session(world, store):
    async with world.open_gateway(store=store | {"outbox_most": 1}) as frontend:
        with world.mailbox.held("MAIL"):
            first = await frontend.authenticate("alice")
            second = await frontend.authenticate("bob")

        assert first.status == 200
        assert (second.status, second.code) == (503, "delivery_unavailable")
        assert int(second.headers["Retry-After"]) > 0
        await world.eventually(lambda: not world.drupal.ledger.alive(3))
        assert len(world.drupal.ledger.alive(2)) == 1


async def test_switched_off_it_says_what_the_module_says(world):
    async with world.open_gateway(headless={"enabled": False}) as frontend:
        answer = await frontend.authenticate()

    assert (answer.status, answer.code) == (404, "disabled")
    assert answer["message"] == "Something went wrong, please contact your administrator."
    assert not world.drupal.calls


async def test_fifty_people_at_once_are_all_let_in(world, frontend):
    """Each from an address of his own; sixteen at a time may be at Drupal, the others wait their turn."""
    answers = await asyncio.gather(
        *(
            frontend.post(
                "authenticate",
                {"username": name, "password": PASSWORDS[name], "apiKey": frontend.key},
                headers={"X-Forwarded-For": f"198.51.100.{number}"},
            )
            for number, name in enumerate(["alice", "bob", "dave", "admin"] * 12 + ["alice", "bob"], start=1)
        )
    )

    assert {answer.status for answer in answers} == {200}
    assert {call.address for call in world.drupal.called("/user/login")} == {f"198.51.100.{n}" for n in range(1, 51)}
