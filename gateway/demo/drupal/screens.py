"""The handlers of HTML pages: front page, profile, account form, logout, one-time links."""

from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal import markup
from gateway.demo.drupal.accounts import Changes, User
from gateway.demo.drupal.ledger import Ending
from gateway.demo.drupal.login_form import profile_url
from gateway.demo.drupal.resources import find_user, may_see
from gateway.demo.drupal.signing_in import check_logout_token
from gateway.demo.drupal.visit import RefusedError, Visit


async def front(visit: Visit) -> web.Response:
    return visit.html("Welcome", "<p>No front page content has been created yet.</p>")


async def log_out(visit: Visit) -> web.Response:
    """Log out if the query has the token; without it, redirect to the confirmation."""
    try:
        check_logout_token(visit)
    except RefusedError:
        if visit.account is None or visit.format != "html":
            raise
        return visit.redirect("/user/logout/confirm")
    answer = visit.redirect(f"{visit.origin.base_url}/")
    visit.log_out(Ending.LOGGED_OUT)
    return answer


async def confirm_logout(visit: Visit) -> web.Response:
    """Ask for confirmation, and log out once the form is posted with its token."""
    if visit.account is None or visit.session is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    fields = await visit.form()
    if fields.get("form_token") == visit.session.rest_token and fields.get("form_id") == "user_logout_confirm":
        visit.log_out(Ending.LOGGED_OUT)
        return visit.redirect(f"{visit.origin.base_url}/", HTTPStatus.SEE_OTHER)
    return visit.html("Are you sure you want to log out?", markup.LOGOUT.format(token=visit.session.rest_token))


async def own_profile(visit: Visit) -> web.Response:
    """Redirect to the user's own profile, or to the login form."""
    if visit.account is None:
        return visit.redirect(f"{visit.origin.base_url}/user/login")
    return visit.redirect(profile_url(visit, visit.account))


async def profile(visit: Visit) -> web.Response:
    """Show an account to its owner, and to users who may see profiles."""
    user = find_user(visit)
    if not may_see(visit.account, user, profiles=visit.site.options.profiles_visible):
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    return visit.html(user.name, markup.profile(user))


async def account_form(visit: Visit) -> web.Response:
    """Show or save the account form, for its owner and for administrators."""
    user = find_user(visit)
    if not may_see(visit.account, user, profiles=False):
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    token = visit.session.rest_token if visit.session else ""
    fields = await visit.form()
    if fields.get("form_token") == token and user.accepts(fields.get("current_pass", "")):
        return _save(visit, user, fields)
    options = visit.site.options
    page = markup.account(
        user,
        version=options.major,
        phone_field=options.phone_field,
        token=token,
        languages=("en", *options.languages) if visit.site.has("language") else (),
    )
    return visit.html(user.name, page)


async def one_time_login(visit: Visit) -> web.Response:
    """Log in the user of a one-time link, once. Later, redirect to the form that asks for a new link."""
    user = visit.site.use_one_time_link(visit.segments[4])
    if user is None or not user.active:
        return visit.redirect(f"{visit.origin.base_url}/user/password")
    await visit.log_in(user)
    return visit.redirect(f"{profile_url(visit, user)}/edit?pass-reset-token={visit.segments[4]}")


async def session_route(visit: Visit) -> web.Response:
    """Open a session as a custom module would, and answer with the status of that module."""
    route = visit.site.session_routes[visit.path]
    user = visit.site.accounts.get(route.uid)
    if user is not None:
        await visit.log_in(user)
    else:
        visit.send_cookie(visit.site.open_session(visit.origin, 0, instead_of=visit.session))
    return visit.html("Custom page", "<p>A page of a custom module.</p>", route.status)


def _save(visit: Visit, user: User, fields: dict[str, str]) -> web.Response:
    """Save the form. Measured: users who change their password get a new session id, and their other sessions end."""
    changes: Changes = {}
    if "mail" in fields:
        changes["mail"] = fields["mail"]
    if fields.get("pass[pass1]") and fields["pass[pass1]"] == fields.get("pass[pass2]"):
        changes["password"] = fields["pass[pass1]"]
    visit.site.accounts.change(user.uid, **changes)
    if "password" in changes and visit.account is not None:
        own = visit.session if visit.account.uid == user.uid else None
        visit.site.ledger.end_all(user.uid, Ending.PASSWORD_CHANGED, now=visit.site.now(), but=own)
        if own is not None:
            visit.send_cookie(visit.site.open_session(visit.origin, user.uid, instead_of=own))
    return visit.redirect(f"{visit.origin.base_url}{visit.path}", HTTPStatus.SEE_OTHER)
