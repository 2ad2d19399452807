"""The HTML login form: on its own page, in the login block of every other page, and what happens when it is posted.

Measured, Drupal 10.6 and 11.4: Drupal reads a form wherever a page contains it, whatever the page's status: a 404 or
405 page with the login block logs in, and so does a PUT. No button, build id or token has to come along.
"""

import asyncio
from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal import markup
from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.signing_in import (
    BLOCKED,
    BY_ACCOUNT_IN_FORM,
    UNRECOGNIZED,
    BrokenRequestError,
    flood_identifier,
    refuse_flood,
    register_failure,
)
from gateway.demo.drupal.visit import RefusedError, Visit

FORM_ID = "user_login_form"


async def page(visit: Visit) -> web.Response:
    """Show the form, handle it, or redirect a logged-in user to their profile."""
    if visit.basic is not None and visit.account is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    if visit.account is not None:
        return visit.redirect(profile_url(visit, visit.account))
    error = ""
    if await is_submitted(visit):
        try:
            return await submit(visit)
        except RefusedError as refused:
            error = _sentence(refused)
    # The form keeps the query, with its `destination` (FormBuilder::buildFormAction).
    return visit.html("Log in", markup.login(error, action=visit.request.path_qs))


async def in_block(visit: Visit, answer: web.Response) -> web.Response:
    """Handle the form in the login block of the page *answer*; without a login, return that page."""
    if not (visit.is_page and visit.shows_login_block and await is_submitted(visit)):
        return answer
    try:
        return await submit(visit)
    except RefusedError:
        return answer


async def is_submitted(visit: Visit) -> bool:
    """Whether the form was posted.

    Measured, Drupal 10.5: a POST overridden to GET is not, since its page comes from a cache.
    """
    return visit.method not in ("GET", "HEAD") and (await visit.form()).get("form_id") == FORM_ID


async def submit(visit: Visit) -> web.Response:
    """Check a posted form, and log in. Raises RefusedError with the sentence that the form shows.

    Measured, Drupal 11.4: a right password gets 303 and a cookie, a wrong one 200 and the form again. As in core's
    UserLoginForm, failures per address count together with those in JSON; failures per account count separately.
    """
    visit.site.login_calls += 1
    fields, times = await visit.form(), visit.site.options.times
    name = fields.get("name", "")
    user = visit.site.accounts.named([name], active=True)
    if visit.site.accounts.named([name], active=False) is not None:
        raise RefusedError(HTTPStatus.OK, BLOCKED)
    refuse_flood(visit, user, BY_ACCOUNT_IN_FORM)
    # The form drops blanks around a password, JSON does not (measured, Drupal 10.6 and 11.4).
    if user is None or not user.accepts(fields.get("pass", "").strip()):
        await asyncio.sleep(times.unknown if user is None else times.wrong)
        register_failure(visit, user, BY_ACCOUNT_IN_FORM)
        raise RefusedError(HTTPStatus.OK, UNRECOGNIZED[visit.site.options.major])
    await asyncio.sleep(times.right)
    visit.site.flood.clear(BY_ACCOUNT_IN_FORM, flood_identifier(visit, user))
    await visit.log_in(user)
    return submitted(visit, profile_url(visit, user))


def submitted(visit: Visit, location: str) -> web.Response:
    """Answer a form that was handled: 303 to *location*, or to the local `destination` in the query.

    Measured, Drupal 10.6 and 11.4: `ajax_form` makes the answer fail, 500, after everything has been done.
    """
    if "ajax_form" in visit.query:
        return visit.refuse(BrokenRequestError())
    return visit.redirect(destination(visit) or location, HTTPStatus.SEE_OTHER)


def destination(visit: Visit) -> str | None:
    """Return the address of the `destination` in the query, unless it is on another site."""
    path = visit.query.get("destination", "")
    if not path or path.startswith(("//", "/\\")) or ":" in path.partition("?")[0]:
        return None
    return f"{visit.origin.base_url}/{path.removeprefix('/')}"


def profile_url(visit: Visit, user: User) -> str:
    return f"{visit.origin.base_url}/user/{user.uid}"


def _sentence(refused: RefusedError) -> str:
    """Return what the form shows. Raises *refused* if it has a status of its own, as flood control has."""
    if refused.status != HTTPStatus.OK:
        raise refused
    return refused.message
