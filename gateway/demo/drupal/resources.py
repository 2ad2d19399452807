"""Accounts through core's rest module, and who may see them."""

from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.documents import as_rest
from gateway.demo.drupal.visit import ONLY_HTML, RefusedError, Visit

PROFILES = "The 'access user profiles' permission is required."


async def rest_user(visit: Visit) -> web.Response:
    """Answer GET /user/{uid}?_format=json; 406 without the rest module."""
    user = find_user(visit)
    if not visit.site.has("rest"):
        if not may_see(visit.account, user, profiles=visit.site.options.profiles_visible):
            raise RefusedError(HTTPStatus.FORBIDDEN, PROFILES)
        raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, ONLY_HTML)
    document = as_rest(user, visit.account, visit.site.options)
    if document is None:
        challenge_anonymous(visit)
        raise RefusedError(HTTPStatus.FORBIDDEN, PROFILES)
    answer = visit.json(document)
    base = f"{visit.origin.base_url}/user/{user.uid}"
    for address, relation in (
        (base, "canonical"),
        (f"{base}/edit", "edit-form"),
        (f"{base}/cancel", "https://drupal.org/link-relations/cancel-form"),
        (f"{visit.origin.base_url}/admin/people", "collection"),
    ):
        answer.headers.add("Link", f'<{address}>; rel="{relation}"')
    return answer


async def delete_user(visit: Visit) -> web.Response:
    """Refuse DELETE /user/{uid}: what it does was not measured."""
    find_user(visit)
    raise RefusedError(HTTPStatus.FORBIDDEN, "")


def find_user(visit: Visit) -> User:
    """Return the account that the path names, or refuse with 404."""
    segment = visit.segments[1]
    user = visit.site.accounts.get(int(segment)) if segment.isdecimal() else None
    if user is None:
        route = f"rest.entity.user.{visit.method}" if visit.site.has("rest") else "entity.user.canonical"
        message = f'The "user" parameter was not converted for the path "/user/{{user}}" (route name: "{route}")'
        raise RefusedError(HTTPStatus.NOT_FOUND, message.replace(".HEAD", ".GET"))
    return user


def may_see(viewer: User | None, user: User, *, profiles: bool) -> bool:
    """Whether *viewer* may open the profile of *user*."""
    return viewer is not None and (viewer.is_administrator or viewer.uid == user.uid or (profiles and user.active))


def challenge_anonymous(visit: Visit) -> None:
    """Refuse with 401 a request without cookie and Basic header. Measured, Drupal 11.4: with either, it is 403."""
    if visit.site.has("basic_auth") and visit.cookie is None and visit.basic is None:
        realm = {"WWW-Authenticate": f'Basic realm="{visit.site.options.name}"'}
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "No authentication credentials provided.", realm)
