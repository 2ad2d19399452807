"""The handlers of HTML pages: front page, profile, account form, logout, one-time links."""

from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal import markup, passwords
from gateway.demo.drupal.accounts import Changes, User
from gateway.demo.drupal.ledger import Ending
from gateway.demo.drupal.login_form import profile_url, submitted
from gateway.demo.drupal.php import Fields
from gateway.demo.drupal.resources import find_user, may_see
from gateway.demo.drupal.routing import denied, is_administrator
from gateway.demo.drupal.signing_in import check_logout_token
from gateway.demo.drupal.visit import ONLY_HTML, RefusedError, Visit


async def front(visit: Visit) -> web.Response:
    return visit.html("Welcome", "<p>No front page content has been created yet.</p>")


async def log_out(visit: Visit) -> web.Response:
    """Log out if the query has the token; without it, redirect to the confirmation."""
    try:
        check_logout_token(visit)
    except RefusedError:
        if visit.format != "html":
            raise
        if visit.account is None or visit.basic is not None:
            return visit.redirect(f"{visit.origin.base_url}/")
        return visit.redirect("/user/logout/confirm")
    answer = visit.redirect(f"{visit.origin.base_url}/")
    visit.log_out(Ending.LOGGED_OUT)
    return answer


async def confirm_logout(visit: Visit) -> web.Response:
    """Ask for confirmation, and log out once the form is posted with its token.

    Measured, Drupal 10.6/11.4: an anonymous POST is redirected. What an anonymous GET gets was not measured.
    """
    if visit.account is None or visit.session is None:
        if visit.method == "POST":
            return visit.redirect(f"{visit.origin.base_url}/")
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    fields = await visit.form()
    if fields.get("form_token") == visit.session.rest_token and fields.get("form_id") == "user_logout_confirm":
        visit.log_out(Ending.LOGGED_OUT)
        return visit.redirect(f"{visit.origin.base_url}/", HTTPStatus.SEE_OTHER)
    return visit.html("Are you sure you want to log out?", markup.LOGOUT.format(token=visit.session.rest_token))


async def own_profile(visit: Visit) -> web.Response:
    """Redirect to the user's own profile, or to the login form.

    Measured: on 11.4 an anonymous request that is no plain page is refused with 403.
    """
    is_plain = visit.format == "html" and "_wrapper_format" not in visit.query
    if visit.account is None and visit.site.options.major == "11" and not is_plain:
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    if visit.account is None:
        return visit.redirect(f"{visit.origin.base_url}/user/login")
    return visit.redirect(profile_url(visit, visit.account))


async def own_account_form(visit: Visit) -> web.Response:
    """Redirect to the user's own account form, in any format (measured, Drupal 10.6 and 11.4)."""
    if visit.account is None:
        raise denied(visit)
    return visit.redirect(f"{profile_url(visit, visit.account)}/edit")


async def cancel(visit: Visit) -> web.Response:
    """Show the form that cancels an account, to administrators."""
    find_user(visit)
    if not is_administrator(visit):
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    return visit.html("Are you sure you want to cancel the account?", "")


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
    if visit.format != "html":
        raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, ONLY_HTML)
    token = visit.session.rest_token if visit.session else ""
    fields = await visit.form()
    is_confirmed = user.accepts(fields.get("current_pass", "")) or _came_by_link(visit, user)
    if fields.get("form_id") == "user_form" and fields.get("form_token") == token and is_confirmed:
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


async def session_route(visit: Visit) -> web.Response:
    """Open a session as a custom module would, and answer with the status of that module."""
    route = visit.site.session_routes[visit.path]
    user = visit.site.accounts.get(route.uid)
    if user is not None:
        await visit.log_in(user)
    else:
        visit.send_cookie(visit.site.open_session(visit.origin, 0, instead_of=visit.session))
    return visit.html("Custom page", "<p>A page of a custom module.</p>", route.status)


def _save(visit: Visit, user: User, fields: Fields) -> web.Response:
    """Save the form."""
    changes: Changes = {}
    if "mail" in fields:
        changes["mail"] = fields["mail"]
    if fields.get("pass[pass1]") and fields["pass[pass1]"] == fields.get("pass[pass2]"):
        changes["password"] = fields["pass[pass1]"]
    passwords.change(visit, user, changes)
    return submitted(visit, f"{visit.origin.base_url}{visit.path}")


def _came_by_link(visit: Visit, user: User) -> bool:
    """Whether a one-time link has just logged this user in, who then needs no current password."""
    token = visit.recall(f"pass_reset_{user.uid}")
    return token is not None and visit.query.get("pass-reset-token") == token
