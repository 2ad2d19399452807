"""What users can read of their own account, in three ways. The first one that a site offers is remembered.

A stock Drupal enables neither jsonapi nor rest. So the last way is the account form, which every user may open
(measured, Drupal 10.6 and 11.4).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Literal, TypeAlias

import structlog

from gateway.account import Account, DrupalSession, Profile
from gateway.drupal.answers import Answer, unusable
from gateway.drupal.forms import forms_of, value_of
from gateway.errors import DrupalInvalid

log = structlog.get_logger()

Way = Literal["jsonapi", "rest", "form"]
WAYS: tuple[Way, ...] = ("jsonapi", "rest", "form")

# Asks Drupal for a path, with an Accept header, as the user.
Get: TypeAlias = Callable[[str, str], Awaitable[Answer]]

# The form_id of the account form (measured, Drupal 10.6 and 11.4).
ACCOUNT_FORM = "user_form"
ACCEPT: Mapping[Way, str] = {"jsonapi": "application/vnd.api+json", "rest": "application/json", "form": "text/html"}


class Contacts:
    """Reads accounts by the configured *way*; `auto` takes the first that works."""

    def __init__(self, *, way: Way | Literal["auto", "off"], phone_field: str | None, profile: Sequence[str]) -> None:
        self._ways: tuple[Way, ...] = WAYS if way == "auto" else () if way == "off" else (way,)
        self._known: Way | None = None
        self._phone_field = phone_field
        self._profile = frozenset(profile) | ({phone_field} if phone_field else set())

    async def read(self, session: DrupalSession, get: Get) -> Account:
        """Return what Drupal shows. Raises DrupalInvalid when no way shows anything, or what *get* raises."""
        base = from_login(session)
        if not self._ways:
            return self._account(session, base)
        for way in self._order():
            answer = await get(path_of(way, session.uid), ACCEPT[way])
            if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
                raise unusable(answer)
            fields = READERS[way](answer, session.uid, self._phone_field)
            if fields is not None:
                self._remember(way)
                return self._account(session, {**base, **fields})
        log.warning("drupal.contacts_unreadable", uid=session.uid, ways=list(self._ways))
        raise DrupalInvalid("contacts")

    def _order(self) -> Sequence[Way]:
        if self._known is None:
            return self._ways
        return (self._known, *(way for way in self._ways if way != self._known))

    def _remember(self, way: Way) -> None:
        if self._known != way:
            self._known = way
            log.info("drupal.contacts", way=way)

    def _account(self, session: DrupalSession, fields: Profile) -> Account:
        return Account(
            uid=session.uid,
            roles=roles_in(fields),
            mail=first(fields, "mail"),
            phone=first(fields, self._phone_field) if self._phone_field else None,
            language=first(fields, "preferred_langcode"),
            profile={name: items for name, items in fields.items() if name in self._profile},
        )


def path_of(way: Way, uid: str) -> str:
    match way:
        case "jsonapi":
            return f"/jsonapi/user/user?filter%5Bdrupal_internal__uid%5D={uid}"
        case "rest":
            return f"/user/{uid}?_format=json"
        case "form":
            return f"/user/{uid}/edit"


def from_login(session: DrupalSession) -> Profile:
    """What the answer to the login said. It has roles only for users that may see them (measured: uid 1)."""
    roles = [{"target_id": role} for role in session.roles if role != "authenticated"]
    known: Profile = {"uid": [{"value": int(session.uid)}], "name": [{"value": session.name}]}
    return {**known, "roles": roles} if session.roles else known


def from_jsonapi(answer: Answer, uid: str, phone_field: str | None) -> Profile | None:
    """In the answer of JSON:API, the user is the only item of `data`.

    Anonymous visitors get 200 with an empty list; a site without the module gives 404.
    """
    if answer.status != HTTPStatus.OK:
        return None
    items = answer.json().get("data")
    item = items[0] if isinstance(items, list) and len(items) == 1 else None
    attributes = item.get("attributes") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(attributes, dict):
        return None
    if str(attributes.get("drupal_internal__uid")) != uid:
        return None
    values = {"uuid": item.get("id")} | {
        name: attributes.get(name) for name in ("name", "mail", "preferred_langcode", phone_field) if name is not None
    }
    fields = {name: _items(value) for name, value in values.items() if value is not None}
    return {**fields, **_roles_of(item.get("relationships"))}


def from_rest(answer: Answer, uid: str, phone_field: str | None) -> Profile | None:
    """The answer has Drupal's entity shape already. A site without the module answers 406 (measured)."""
    del phone_field
    if answer.status != HTTPStatus.OK:
        return None
    fields = {
        name: [item for item in items if isinstance(item, dict)]
        for name, items in answer.json().items()
        if isinstance(items, list)
    }
    return fields if first(fields, "uid") == uid else None


def from_form(answer: Answer, uid: str, phone_field: str | None) -> Profile | None:
    """Reads the inputs of /user/UID/edit. For another user's form, the answer is 403."""
    del uid  # Drupal has checked the uid: only the user's own form is 200 and has a `mail` input.
    if answer.status != HTTPStatus.OK or answer.content_type != "text/html":
        return None
    forms = forms_of(answer, ACCOUNT_FORM)
    # The address is read from this form only. Otherwise a block above the form could make the code go to another
    # address.
    mail = value_of(forms[0], "mail") if len(forms) == 1 else None
    if mail is None:
        return None
    fields = {"mail": _items(mail)}
    if phone_field:
        fields[phone_field] = _items(value_of(forms[0], f"{phone_field}[0][value]"))
    language = forms[0].css_first('select[name="preferred_langcode"] option[selected]')
    if language is not None:
        fields["preferred_langcode"] = _items(language.attributes.get("value"))
    return fields


def roles_in(fields: Profile) -> frozenset[str] | None:
    """The roles that *fields* show; None if they show none, or one that can't be read."""
    if "roles" not in fields:
        return None
    names = [item.get("target_id") for item in fields["roles"]]
    shown = frozenset(name for name in names if isinstance(name, str) and name)
    return shown | {"authenticated"} if len(shown) == len(names) else None


def _roles_of(relationships: object) -> Profile:
    """JSON:API names a role by its UUID, and gives its machine name in `meta`."""
    field = relationships.get("roles") if isinstance(relationships, dict) else None
    items = field.get("data") if isinstance(field, dict) else None
    if not isinstance(items, list):
        return {}
    metas = [item.get("meta") for item in items if isinstance(item, dict)]
    names = [meta.get("drupal_internal__target_id") for meta in metas if isinstance(meta, dict)]
    # All roles are returned, or none: a rule of the policy would silently not apply to a role that is missing here.
    return {"roles": [{"target_id": name} for name in names]} if len(names) == len(items) and all(names) else {}


READERS: Mapping[Way, Callable[[Answer, str, str | None], Profile | None]] = {
    "jsonapi": from_jsonapi,
    "rest": from_rest,
    "form": from_form,
}


def first(fields: Profile, name: str) -> str | None:
    """The first value of a field, as text; None if there is none."""
    items = fields.get(name) or [{}]
    value = items[0].get("value")
    return str(value) if isinstance(value, (str, int)) and str(value) else None


def _items(value: object) -> list[dict[str, object]]:
    values = value if isinstance(value, list) else [value]
    return [{"value": one} for one in values if isinstance(one, (str, int)) and one != ""]
