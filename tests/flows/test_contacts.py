"""Where the address comes from: JSON:API, core's REST, or the account's own form, with the user's own session."""

import pytest

from gateway.demo.drupal.accounts import User, example_users
from gateway.demo.drupal.faults import Endpoint, Fault, Kind
from gateway.demo.drupal.site import DrupalOptions
from tests.flows.steps import all_ended

PATHS = {
    "jsonapi": "/jsonapi/user/user",
    "rest": "/user/2",
    "form": "/user/2/edit",
}
WAYS = {(): "form", ("jsonapi",): "jsonapi", ("rest",): "rest", ("jsonapi", "rest"): "jsonapi"}


@pytest.fixture
def store():
    return {"kind": "memory"}


class TestAuto:
    @pytest.fixture(params=list(WAYS), ids=lambda modules: "+".join(modules) or "stock")
    def modules(self, request):
        return request.param

    @pytest.fixture(params=["10", "11"])
    def drupal_options(self, request, modules):
        return DrupalOptions(version=request.param, modules=frozenset(modules))

    async def test_it_finds_the_way_once_and_remembers_it(self, world, modules, events):
        async with world.open_gateway(channels={"sms": {"kind": "console"}}) as frontend:
            first = await frontend.authenticate()
            calls = len(world.drupal.calls)
            second = await frontend.authenticate()

        assert sorted(first["methods"]) == sorted(second["methods"]) == ["EMAIL", "SMS", "SMS AND EMAIL"]
        after = [call.path.partition("?")[0] for call in world.drupal.calls[calls : calls + 2]]
        assert after == ["/user/login", PATHS[WAYS[modules]]]
        assert [event["way"] for event in events if event["event"] == "drupal.contacts"] == [WAYS[modules]]

    async def test_only_the_users_own_session_reads(self, world, modules):
        async with world.open_gateway() as frontend:
            await frontend.authenticate()

        reads = [call for call in world.drupal.calls if call.path.startswith(("/jsonapi", "/user/2"))]
        assert reads
        assert all(call.had_cookie and "Authorization" not in call.headers for call in reads)


class TestAWayThatIsNotThere:
    @pytest.mark.parametrize("way", ["jsonapi", "rest"])
    async def test_it_is_502_and_the_session_ends(self, world, way):
        async with world.open_gateway(drupal={"contacts": way}) as frontend:
            answer = await frontend.authenticate()
            assert (answer.status, answer.code) == (502, "drupal_invalid")
            await all_ended(world)

    async def test_off_reads_nothing_and_so_reaches_nobody(self, world):
        async with world.open_gateway(drupal={"contacts": "off"}) as frontend:
            answer = await frontend.authenticate()
            assert (answer.status, answer.code) == (422, "no_destination")
            assert {call.path.partition("?")[0] for call in world.drupal.calls} <= {"/user/login", "/user/logout"}
            await all_ended(world)


ODD = (
    User(uid=30, name="quoted", password="x-pass-1", mail="o'brien+tag@example.test"),
    User(uid=31, name="two", password="x-pass-1", mail="a@example.test, b@example.test"),
    User(uid=32, name="broken", password="x-pass-1", mail="a@example.test\r\nBcc: b@example.test"),
    User(uid=33, name="html", password="x-pass-1", mail='"><input name="mail" value="evil@example.test">'),
    User(uid=34, name="german", password="x-pass-1", mail="german@example.test", preferred_langcode="de"),
)


@pytest.mark.parametrize("modules", [(), ("jsonapi",), ("rest",)])
class TestWhatASiteMayHaveStored:
    @pytest.fixture
    def drupal_options(self, modules):
        return DrupalOptions(users=(*example_users(), *ODD), modules=frozenset(modules))

    async def test_an_address_with_a_quote_is_one(self, world, frontend, modules):
        assert (await frontend.authenticate("quoted", "x-pass-1")).status == 200

        assert (await world.mailbox.mail()).recipients == ("o'brien+tag@example.test",)

    @pytest.mark.parametrize("name", ["two", "broken", "html"])
    async def test_two_addresses_or_a_header_are_none(self, world, frontend, modules, name):
        answer = await frontend.authenticate(name, "x-pass-1")

        assert (answer.status, answer.code) == (422, "no_destination")
        assert not world.mailbox.mails
        await all_ended(world)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (Kind.SERVER_ERROR, 502, "drupal_invalid"),
        (Kind.HTML, 502, "drupal_invalid"),
        (Kind.ENDLESS, 502, "drupal_invalid"),
        (Kind.BAD_GATEWAY, 502, "drupal_invalid"),
        (Kind.DROP, 503, "drupal_unavailable"),
        (Kind.REDIRECT, 502, "drupal_invalid"),
    ],
)
async def test_whatever_goes_wrong_while_reading_the_session_ends(world, frontend, kind, status, code):
    world.drupal.fault = Fault(kind=kind, at=Endpoint.CONTACTS, location="http://localhost:9/")

    answer = await frontend.authenticate()

    assert (answer.status, answer.code) == (status, code)
    await all_ended(world)
    assert len(world.drupal.ledger.sessions) == 1
    assert not world.mailbox.mails


async def test_reading_that_takes_too_long_is_504_and_the_session_ends(world):
    world.drupal.fault = Fault(kind=Kind.HANG, at=Endpoint.CONTACTS)
    async with world.open_gateway(drupal={"timeout_seconds": 0.3}) as frontend:
        answer = await frontend.authenticate()

        assert (answer.status, answer.code) == (504, "drupal_timeout")
        await all_ended(world)


# A block with the same fields: a newsletter form, say, that the attacker could have placed or filled.
SUBSCRIBE = (
    '<form id="subscribe"><input type="hidden" name="form_id" value="subscribe">'
    '<input type="email" name="mail" value="editor@evil.test"><input name="field_phone[0][value]" value="+12025550199">'
    "</form>"
)


class TestABlockWithAForm:
    """A block above the account form, with fields of the same names."""

    @pytest.fixture
    def drupal_options(self):
        return DrupalOptions(block=SUBSCRIBE)

    async def test_only_the_account_form_says_where_the_code_goes(self, world):
        async with world.open_gateway(channels={"sms": {"kind": "console"}}) as frontend:
            opened = await frontend.authenticate(authType="SMS AND EMAIL")

            assert (await world.mailbox.mail()).recipients == ("alice@example.test",)

        assert opened["destination"] == "+1•••••••0001 / a•••@e••••.test"


class TestASecondAccountForm:
    """A page with two forms that call themselves the account form: neither can be trusted."""

    @pytest.fixture
    def drupal_options(self):
        return DrupalOptions(block=SUBSCRIBE.replace('value="subscribe"', 'value="user_form"'))

    async def test_nothing_is_sent_and_the_session_ends(self, world, frontend):
        answer = await frontend.authenticate()

        assert (answer.status, answer.code) == (502, "drupal_invalid")
        assert not world.mailbox.mails
        await all_ended(world)
