"""An account as JSON:API and core's rest module show it. Which fields are shown depends on the viewer.

Measured, Drupal 10.6 and 11.4: users see their own mail and phone, but not their roles. Administrators see everything.
Users with the permission to see profiles see neither mail nor language preferences. Everybody else sees the name only,
and only through JSON:API.
"""

from datetime import UTC, datetime

from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.site import DrupalOptions

Fields = dict[str, object]
TIMES = frozenset({"created", "changed", "access", "login"})
PRIVATE = frozenset({"preferred_langcode", "preferred_admin_langcode", "mail", "timezone"})
ADMINISTRATIVE = frozenset({"status", "access", "login", "init"})
DATE_FORMAT = "Y-m-d\\TH:i:sP"


def visible_fields(user: User, viewer: User | None, options: DrupalOptions) -> Fields | None:
    """Return the fields of *user* that *viewer* may see, in Drupal's order.

    None if *viewer* may see the name at most.
    """
    if viewer is None or not sees_fields(user, viewer, options):
        return None
    hidden = frozenset[str]() if viewer.is_administrator else ADMINISTRATIVE
    if not (viewer.is_administrator or viewer.uid == user.uid):
        hidden |= PRIVATE
    return {name: value for name, value in _all_fields(user, options).items() if name not in hidden}


def sees_fields(user: User, viewer: User | None, options: DrupalOptions) -> bool:
    """Whether *viewer* may see more of *user* than the name."""
    return viewer is not None and (viewer.is_administrator or viewer.uid == user.uid or options.profiles_visible)


def sees_roles(viewer: User | None, options: DrupalOptions) -> bool:
    """Whether *viewer* may see the roles of accounts, their own included."""
    return viewer is not None and (viewer.is_administrator or options.roles_visible)


def as_rest(user: User, viewer: User | None, options: DrupalOptions) -> Fields | None:
    """Return the document of core's rest module, or None for 403."""
    fields = visible_fields(user, viewer, options)
    if fields is None:
        return None
    document: Fields = {"uid": [{"value": user.uid}], "uuid": [{"value": user.uuid}]}
    for name, value in fields.items():
        if name == "default_langcode" and sees_roles(viewer, options):
            document["roles"] = [{"target_id": role} for role in user.roles]
        document[name] = _rest_values(name, value)
    return {**document, "user_picture": []}


def as_json_api(user: User, viewer: User | None, options: DrupalOptions, base_url: str) -> Fields:
    """Return the JSON:API resource object, which always has the name."""
    href = f"{base_url}/jsonapi/user/user/{user.uuid}"
    document: Fields = {"type": "user--user", "id": user.uuid, "links": {"self": {"href": href}}}
    fields = visible_fields(user, viewer, options)
    if fields is None:
        return {**document, "attributes": {"display_name": user.name}}
    attributes = {"display_name": user.name, "drupal_internal__uid": user.uid, **fields}
    relationships: Fields = {}
    if sees_roles(viewer, options):
        relationships["roles"] = {"data": [_role(role) for role in user.roles], "links": _related(href, "roles")}
    relationships["user_picture"] = {"data": None, "links": _related(href, "user_picture")}
    return {**document, "attributes": attributes, "relationships": relationships}


def _all_fields(user: User, options: DrupalOptions) -> Fields:
    created, last_login = _time(user.created), _time(user.last_login)
    return {
        "langcode": "en",
        "preferred_langcode": user.preferred_langcode,
        "preferred_admin_langcode": None,
        "name": user.name,
        "mail": user.mail,
        "timezone": "UTC",
        "status": user.active,
        "created": created,
        "changed": created,
        "access": last_login,
        "login": last_login,
        "init": None,
        "default_langcode": True,
        **({options.phone_field: user.phone} if options.phone_field else {}),
    }


def _rest_values(name: str, value: object) -> list[Fields]:
    if value is None:
        return []
    return [{"value": value, "format": DATE_FORMAT} if name in TIMES else {"value": value}]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _role(role: str) -> Fields:
    return {"type": "user_role--user_role", "id": role, "meta": {"drupal_internal__target_id": role}}


def _related(href: str, name: str) -> Fields:
    return {"related": {"href": f"{href}/{name}"}, "self": {"href": f"{href}/relationships/{name}"}}
