"""Registration: the form, and core's REST resource. Measured, Drupal 10.6/11.4."""

from http import HTTPStatus

from aiohttp import web

from gateway.demo.drupal import markup
from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.login_form import submitted
from gateway.demo.drupal.routing import POST_ONLY, READS_AND_POST, Handler, only
from gateway.demo.drupal.signing_in import BrokenRequestError, decoded
from gateway.demo.drupal.visit import ONLY_HTML, RefusedError, Visit

FORM_ID = "user_register_form"
APPROVAL = (
    "Thank you for applying for an account. Your account is currently pending approval by the site administrator."
)
WELCOME = "Registration successful. You are now logged in."


def find(visit: Visit) -> Handler | None:
    """Return the handler of /user/register, if that is the path."""
    if visit.path != "/user/register":
        return None
    if visit.format == "json" and visit.method == "POST" and visit.site.has("user_registration"):
        return only(visit, POST_ONLY, register_by_rest)
    return only(visit, READS_AND_POST, register)


async def register(visit: Visit) -> web.Response:
    """Show the form, or create the account.

    Measured: the user is logged in where visitors may register and no mail is verified; otherwise a message makes an
    anonymous session.
    """
    if visit.account is not None or visit.site.options.register == "admin_only":
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    if visit.format != "html":
        raise RefusedError(HTTPStatus.NOT_ACCEPTABLE, ONLY_HTML)
    fields = await visit.form()
    name, mail = fields.get("name", ""), fields.get("mail", "")
    if fields.get("form_id") != FORM_ID or not _is_free(visit, name, mail):
        return visit.html("Create new account", markup.register())
    if visit.site.options.register != "visitors" or visit.site.options.verify_mail:
        _create(visit, name, mail, "", active=visit.site.options.register == "visitors")
        visit.add_message(APPROVAL)
        return submitted(visit, f"{visit.origin.base_url}/")
    password = fields.get("pass[pass1]", "")
    if not password or password != fields.get("pass[pass2]"):
        return visit.html("Create new account", markup.register())
    await visit.log_in(_create(visit, name, mail, password, active=True))
    visit.add_message(WELCOME)
    return submitted(visit, f"{visit.origin.base_url}/")


async def register_by_rest(visit: Visit) -> web.Response:
    """Create an account from JSON, without a session (measured, Drupal 10.6/11.4)."""
    document = decoded(await visit.request.read())
    if visit.account is not None or visit.site.options.register == "admin_only":
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    fields = {key: _first(value) for key, value in document.items()} if isinstance(document, dict) else {}
    name, mail = fields.get("name", ""), fields.get("mail", "")
    if not _is_free(visit, name, mail):
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, "Unprocessable Entity: validation failed.")
    user = _create(visit, name, mail, fields.get("pass", ""), active=visit.site.options.register == "visitors")
    return visit.json({"uid": [{"value": user.uid}], "name": [{"value": user.name}]})


def _first(value: object) -> str:
    """Return the text of a field: of `"x"`, `{"value": "x"}` or `[{"value": "x"}]`."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, dict):
        value = value.get("value", "")
    if not isinstance(value, str):
        raise BrokenRequestError
    return value


def _is_free(visit: Visit, name: str, mail: str) -> bool:
    return bool(name and mail) and not visit.site.accounts.all_named(name)


def _create(visit: Visit, name: str, mail: str, password: str, *, active: bool) -> User:
    uid = 1 + max(user.uid for user in visit.site.accounts)
    return visit.site.add_user(User(uid=uid, name=name, password=password, mail=mail, active=active))
