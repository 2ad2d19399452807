"""What a user can read of himself, by each of the three ways: the answers of the recorded sites."""

import json

import pytest
from structlog.testing import capture_logs

from gateway.drupal.answers import Answer
from gateway.drupal.contacts import (
    ACCEPT,
    WAYS,
    Contacts,
    first,
    from_form,
    from_jsonapi,
    from_login,
    from_rest,
    path_of,
    roles_in,
)
from gateway.errors import DrupalInvalid, DrupalMaintenance
from tests.contracts.recorded.wire import recorded_forms
from tests.contracts.stores import a_session

ALICE = a_session(uid="2", name="alice", roles=())
PROFILE = ("uid", "uuid", "name", "mail", "roles", "preferred_langcode")
UUID = "a283fc7b-9ed9-4e7c-9def-a0fd10216a22"
JSONAPI = {
    "data": [
        {
            "type": "user--user",
            "id": UUID,
            "attributes": {
                "drupal_internal__uid": 2,
                "name": "alice",
                "mail": "alice@example.test",
                "preferred_langcode": "de",
                "timezone": "UTC",
                "field_phone": "+15550100001",
            },
        }
    ]
}
REST = {
    "uid": [{"value": 2}],
    "uuid": [{"value": UUID}],
    "name": [{"value": "alice"}],
    "mail": [{"value": "alice@example.test"}],
    "preferred_langcode": [{"value": "de"}],
    "preferred_admin_langcode": [],
    "timezone": [{"value": "UTC"}],
    "field_phone": [{"value": "+15550100001"}],
}
FORM = """<!DOCTYPE html><form id="user-form"><input type="hidden" name="form_id" value="user_form"><input type="password" name="pass[pass1]" value="never">
<input type="email" name="mail" value="alice@example.test"><input name="field_phone[0][value]" value="+15550100001">
<select name="preferred_langcode"><option value="en">English</option><option value="de" selected="selected">Deutsch
</option></select></form>"""


def answer(body, *, status=200, content_type):
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Answer(status=status, content_type=content_type, cookies=(), body=content)


def page(body, **fields):
    return answer(body, **{"content_type": "text/html"} | fields)


def document(body, **fields):
    return answer(body, **{"content_type": "application/json"} | fields)


WITHOUT = {
    "jsonapi": page("<h1>Page not found</h1>", status=404),
    "rest": document({"message": "Not acceptable format: json"}, status=406),
    "form": page("<h1>Access denied</h1>", status=403),
}
WITH = {"jsonapi": answer(JSONAPI, content_type="application/vnd.api+json"), "rest": document(REST), "form": page(FORM)}


class Site:
    """A Drupal that offers some of the ways, and remembers what it was asked."""

    def __init__(self, *ways, **answers):
        self.answers = WITHOUT | {way: WITH[way] for way in ways} | answers
        self.asked = []

    async def get(self, path, accept):
        way = next(way for way in WAYS if (path_of(way, "2"), ACCEPT[way]) == (path, accept))
        self.asked.append(way)
        return self.answers[way]


def contacts(**options):
    return Contacts(**{"way": "auto", "phone_field": "field_phone", "profile": PROFILE} | options)


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_finds_address_number_and_language(way):
    account = await contacts(way=way).read(ALICE, Site(way).get)

    assert (account.uid, account.mail, account.phone, account.language) == (
        "2",
        "alice@example.test",
        "+15550100001",
        "de",
    )


@pytest.mark.parametrize("way", WAYS)
async def test_the_profile_has_the_shape_of_entities_and_the_allowed_fields_only(way):
    account = await contacts(way=way).read(ALICE, Site(way).get)

    assert account.profile == {
        "uid": [{"value": 2}],
        "name": [{"value": "alice"}],
        "mail": [{"value": "alice@example.test"}],
        "preferred_langcode": [{"value": "de"}],
        "field_phone": [{"value": "+15550100001"}],
    } | ({} if way == "form" else {"uuid": [{"value": UUID}]})


async def test_of_roles_those_of_the_login_are_shown_but_what_everybody_is():
    session = a_session(uid="2", roles=("authenticated", "editor"))
    account = await contacts(way="rest").read(session, Site("rest").get)

    assert account.profile["roles"] == [{"target_id": "editor"}]


async def test_roles_that_drupal_does_not_show_are_unknown_and_not_none():
    for way in WAYS:
        assert (await contacts(way=way).read(ALICE, Site(way).get)).roles is None


async def test_roles_of_the_login_are_the_accounts_whichever_way_shows_the_rest():
    session = a_session(uid="2", roles=("authenticated", "editor"))
    for way in WAYS:
        assert (await contacts(way=way).read(session, Site(way).get)).roles == {"authenticated", "editor"}
    assert (await contacts(way="off").read(session, Site("rest").get)).roles == {"authenticated", "editor"}


def test_who_is_shown_to_have_no_role_has_the_one_that_everybody_has():
    assert roles_in(from_login(a_session(uid="2", roles=("authenticated",)))) == {"authenticated"}
    assert roles_in(from_rest(document(REST | {"roles": []}), "2", None)) == {"authenticated"}


def test_rest_shows_roles_by_their_machine_names():
    assert roles_in(from_rest(document(REST | {"roles": [{"target_id": "editor"}]}), "2", None)) == {
        "authenticated",
        "editor",
    }


def with_roles(*roles):
    return {"data": [JSONAPI["data"][0] | {"relationships": {"roles": {"data": list(roles)}}}]}


EDITOR = {"type": "user_role--user_role", "id": UUID, "meta": {"drupal_internal__target_id": "editor"}}


def test_json_api_shows_roles_by_their_machine_names():
    for roles, shown in (((), {"authenticated"}), ((EDITOR,), {"authenticated", "editor"})):
        assert roles_in(from_jsonapi(answer(with_roles(*roles), content_type=ACCEPT["jsonapi"]), "2", None)) == shown


@pytest.mark.parametrize("odd", [None, 7, {}, EDITOR | {"meta": []}, EDITOR | {"meta": {}}])
def test_one_role_that_can_not_be_read_makes_all_of_them_unknown(odd):
    assert roles_in(from_jsonapi(answer(with_roles(EDITOR, odd), content_type=ACCEPT["jsonapi"]), "2", None)) is None
    assert (
        roles_in(from_rest(document(REST | {"roles": [{"target_id": "editor"}, {"target_id": 7}]}), "2", None)) is None
    )


@pytest.mark.parametrize(
    "relationships", [None, [], {"roles": None}, {"roles": {"data": None}}, {"roles": {"data": {}}}]
)
def test_what_is_no_list_of_roles_shows_none(relationships):
    shown = {"data": [JSONAPI["data"][0] | {"relationships": relationships}]}

    assert roles_in(from_jsonapi(answer(shown, content_type=ACCEPT["jsonapi"]), "2", None)) is None


async def test_without_a_phone_field_there_is_no_number():
    account = await contacts(phone_field=None).read(ALICE, Site("rest").get)

    assert account.phone is None
    assert "field_phone" not in account.profile


async def test_the_first_way_that_works_is_found_and_said_once_and_then_taken_first():
    site, reader = Site("form"), contacts()
    with capture_logs() as events:
        await reader.read(ALICE, site.get)
        await reader.read(ALICE, site.get)

    assert site.asked == ["jsonapi", "rest", "form", "form"]
    assert events == [{"event": "drupal.contacts", "way": "form", "log_level": "info"}]


async def test_a_way_that_is_gone_is_looked_for_again():
    site, reader = Site("rest"), contacts()
    await reader.read(ALICE, site.get)
    site.answers = Site("form").answers

    account = await reader.read(ALICE, site.get)

    assert account.mail == "alice@example.test"
    assert site.asked[2:] == ["rest", "jsonapi", "form"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_configured_way_is_the_only_one(way):
    site = Site(*(other for other in WAYS if other != way))
    with capture_logs() as events, pytest.raises(DrupalInvalid):
        await contacts(way=way).read(ALICE, site.get)

    assert site.asked == [way]
    assert [event["event"] for event in events] == ["drupal.contacts_unreadable"]


async def test_off_asks_nothing_and_shows_what_the_login_told():
    site = Site(*WAYS)
    account = await contacts(way="off").read(ALICE, site.get)

    assert (site.asked, account.mail) == ([], None)
    assert account.profile == {"uid": [{"value": 2}], "name": [{"value": "alice"}]}


async def test_maintenance_is_no_reason_to_try_another_way():
    site = Site("form", jsonapi=page("maintenance", status=503))
    with pytest.raises(DrupalMaintenance):
        await contacts().read(ALICE, site.get)

    assert site.asked == ["jsonapi"]


def entry(**changes):
    item = JSONAPI["data"][0]
    return {"data": [item | {"attributes": item["attributes"] | changes}]}


@pytest.mark.parametrize(
    "body",
    [
        {"data": []},
        {"data": JSONAPI["data"] * 2},
        {"data": None},
        {"data": [None]},
        {"data": [{}]},
        {"data": [{"attributes": []}]},
        {"data": [{"attributes": {}}]},
        entry(drupal_internal__uid=3),
        entry(drupal_internal__uid=None),
        {},
        [],
        b"{",
    ],
    ids=lambda body: repr(body)[:40],
)
def test_jsonapi_shows_exactly_the_user_himself_or_nothing(body):
    assert from_jsonapi(answer(body, content_type="application/vnd.api+json"), "2", None) is None


@pytest.mark.parametrize(
    "body", [{}, [], b"{", {"uid": []}, {"uid": [{"value": 3}]}, {"uid": [{}]}, {"uid": 2}, REST | {"uid": []}]
)
def test_rest_shows_the_user_himself_or_nothing(body):
    assert from_rest(document(body), "2", None) is None


def test_rest_is_taken_in_any_shape_but_lists_of_objects():
    fields = from_rest(
        document(REST | {"mail": ["x", None, {"value": "a@b"}], "odd": "x", "odder": {"a": 1}}), "2", None
    )

    assert fields["mail"] == [{"value": "a@b"}]
    assert not {"odd", "odder"} & fields.keys()


@pytest.mark.parametrize(
    "of", [page("<form>"), page(""), page(b"\xff\xfe"), page(FORM, content_type="text/plain"), page(FORM, status=302)]
)
def test_a_page_without_the_form_shows_nothing(of):
    assert from_form(of, "2", "field_phone") is None


def test_what_stands_in_a_form_is_read_as_a_browser_reads_it():
    text = '<form><input name="form_id" value="user_form"><input name="mail" value="o&#39;hara&amp;co@example.test"><input name="field_phone[0][value]">'
    fields = from_form(page(text), "2", "field_phone")

    assert (first(fields, "mail"), first(fields, "field_phone")) == ("o'hara&co@example.test", None)


@pytest.mark.parametrize("version", ["10", "11"])
def test_the_recorded_forms_of_real_sites_are_read(version):
    own = next(form for form in recorded_forms() if form["drupal"].startswith(version) and form.get("inputs"))
    fields = from_form(page(f"<form>{''.join(own['inputs'])}</form>"), "3", "field_phone")

    assert (first(fields, "mail"), first(fields, "field_phone")) == ("bob@example.test", "+15550100002")


@pytest.mark.parametrize(
    ("items", "value"),
    [
        ([{"value": "a"}, {"value": "b"}], "a"),
        ([{"value": 0}], "0"),
        ([{"value": ""}], None),
        ([{"value": None}], None),
        ([{"value": ["a"]}], None),
        ([{"target_id": "a"}], None),
        ([], None),
    ],
)
def test_of_several_values_the_first_counts(items, value):
    assert first({"field": items}, "field") == value
    assert first({}, "field") is None
