"""The HTML of the simulated Drupal's pages. Every value is escaped."""

import secrets
from collections.abc import Mapping, Sequence
from html import escape
from http import HTTPStatus
from urllib.parse import quote

from gateway.demo.drupal.accounts import User

TITLES = {
    HTTPStatus.FORBIDDEN: "Access denied",
    HTTPStatus.NOT_FOUND: "Page not found",
    HTTPStatus.SERVICE_UNAVAILABLE: "Site under maintenance",
}
EXPLANATIONS = {
    HTTPStatus.FORBIDDEN: "You are not authorized to access this page.",
    HTTPStatus.NOT_FOUND: "The requested page could not be found.",
}
PAGE = """<!DOCTYPE html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1.0" />
<title>{title} | {site}</title>
</head>
<body>
<header><a href="/" rel="home">{site}</a> <nav>{menu}</nav></header>
<main>
<h1 class="page-title">{title}</h1>
{content}
</main>
</body>
</html>
"""
REDIRECT = """<!DOCTYPE html>
<html>
    <head>
        <meta charset="UTF-8" />
        <meta http-equiv="refresh" content="0;url='{location}'" />
        <title>Redirecting to {location}</title>
    </head>
    <body>
        Redirecting to <a href="{location}">{location}</a>.
    </body>
</html>"""
LOGIN = """<form class="user-login-form" data-drupal-selector="user-login-form" action="{action}" method="post" id="user-login-form" accept-charset="UTF-8">
{error}<input autocorrect="none" autocapitalize="none" spellcheck="false" autofocus="autofocus" autocomplete="username" data-drupal-selector="edit-name" type="text" id="edit-name" name="name" value="" size="60" maxlength="60" class="form-text required" required="required" />
<input autocomplete="current-password" data-drupal-selector="edit-pass" type="password" id="edit-pass" name="pass" size="60" maxlength="128" class="form-text required" required="required" />
<input autocomplete="off" data-drupal-selector="{build_id}" type="hidden" name="form_build_id" value="{build_id}" />
<input data-drupal-selector="edit-user-login-form" type="hidden" name="form_id" value="user_login_form" />
<input data-drupal-selector="edit-submit" type="submit" id="edit-submit" name="op" value="Log in" class="button js-form-submit form-submit" />
</form>"""  # noqa: E501 - the markup is as long as Drupal writes it
# Measured tags. Only Drupal 10.6 writes {aria}.
ACCOUNT = """<form class="user-form" data-user-info-from-browser data-drupal-selector="user-form" action="/user/{uid}/edit" method="post" id="user-form" accept-charset="UTF-8">
<input autocomplete="off" data-drupal-selector="edit-current-pass" aria-describedby="edit-current-pass--description" type="password" id="edit-current-pass" name="current_pass" size="25" maxlength="128" class="form-text form-element form-element--type-password form-element--api-password" />
<input autocomplete="off" data-drupal-selector="edit-mail" aria-describedby="edit-mail--description" type="email" id="edit-mail" name="mail" value="{mail}" size="60" maxlength="254" class="form-email required form-element form-element--type-email form-element--api-email" required="required"{aria} />
<input class="password-field js-password-field form-text form-element" autocomplete="new-password" data-drupal-selector="edit-pass-pass1" type="password" id="edit-pass-pass1" name="pass[pass1]" size="25" maxlength="128" />
<input class="password-confirm js-password-confirm form-text form-element" autocomplete="new-password" data-drupal-selector="edit-pass-pass2" type="password" id="edit-pass-pass2" name="pass[pass2]" size="25" maxlength="128" />
<input data-drupal-selector="edit-user-form-form-token" type="hidden" name="form_token" value="{token}" />
<input data-drupal-selector="edit-user-form" type="hidden" name="form_id" value="user_form" />
{phone}{language}<input data-drupal-selector="edit-submit" type="submit" id="edit-submit" name="op" value="Save" class="button js-form-submit form-submit" />
</form>"""  # noqa: E501 - the markup is as long as Drupal writes it
PHONE = """<input class="js-text-full text-full form-text form-element form-element--type-text form-element--api-textfield" data-drupal-selector="edit-{id}-0-value" type="text" id="edit-{id}-0-value" name="{name}[0][value]" value="{value}" size="60" maxlength="32" placeholder="" />
"""  # noqa: E501 - the markup is as long as Drupal writes it
# As in core's AccountForm, not measured. The language module adds the select, with the languages of the site.
LANGUAGE = """<select data-drupal-selector="edit-preferred-langcode" id="edit-preferred-langcode" name="preferred_langcode" class="form-select form-element form-element--type-select">{options}</select>
"""  # noqa: E501 - the markup is as long as Drupal writes it
LOGOUT = """<form class="user-logout-confirm" action="/user/logout/confirm" method="post" id="user-logout-confirm" accept-charset="UTF-8">
<input type="hidden" name="form_token" value="{token}" />
<input type="hidden" name="form_id" value="user_logout_confirm" />
<input type="submit" id="edit-submit" name="op" value="Log out" class="button button--primary js-form-submit form-submit" />
</form>"""  # noqa: E501 - the markup is as long as Drupal writes it
REGISTER = """<form class="user-register-form user-form" action="/user/register" method="post" id="user-register-form" accept-charset="UTF-8">
<input autocomplete="off" type="hidden" name="form_build_id" value="{build_id}" />
<input type="hidden" name="form_id" value="user_register_form" />
<input type="email" id="edit-mail" name="mail" value="" size="60" maxlength="254" class="form-email required" required="required" />
<input type="text" id="edit-name" name="name" value="" size="60" maxlength="60" class="username form-text required" required="required" />
<input type="submit" id="edit-submit" name="op" value="Create new account" class="button button--primary js-form-submit form-submit" />
</form>"""  # noqa: E501 - the markup is as long as Drupal writes it
FORGOTTEN = """<form class="user-pass" action="/user/password" method="post" id="user-pass" accept-charset="UTF-8">
<input autocomplete="username" type="text" id="edit-name" name="name" value="" size="60" maxlength="254" class="form-text required" required="required" />
<input type="hidden" name="form_id" value="user_pass" />
<input type="submit" id="edit-submit" name="op" value="Submit" class="button js-form-submit form-submit" />
</form>"""  # noqa: E501 - the markup is as long as Drupal writes it
ONE_TIME_LOGIN = """<form class="user-pass-reset" action="{action}" method="post" id="user-pass-reset" accept-charset="UTF-8">
<input type="hidden" name="form_id" value="user_pass_reset" />
<input type="submit" id="edit-submit" name="op" value="Log in" class="button js-form-submit form-submit" />
</form>"""  # noqa: E501 - the markup is as long as Drupal writes it
COMMENT = """<form class="comment-comment-form" action="/comment/reply/node/{nid}/comment" method="post" accept-charset="UTF-8">
<input type="hidden" name="form_id" value="comment_comment_form" />
<textarea name="comment_body[0][value]" rows="5" cols="60" class="form-textarea"></textarea>
<input type="submit" name="op" value="Save" class="button js-form-submit form-submit" />
</form>"""  # noqa: E501 - the markup is as long as Drupal writes it
NODE_FORM = """<form class="node-form" action="/node/{nid}/edit" method="post" accept-charset="UTF-8">
<input type="text" name="title[0][value]" value="{title}" size="60" maxlength="255" class="form-text required" />
<textarea name="body[0][value]" rows="9" cols="60" class="form-textarea">{body}</textarea>
<input type="hidden" name="form_build_id" value="{build_id}" />
<input type="hidden" name="form_token" value="{token}" />
<input type="hidden" name="form_id" value="node_{type}_edit_form" />
<input type="submit" name="op" value="Save" class="button js-form-submit form-submit" />
</form>"""
CART = """<form class="cart-form" action="/cart/add" method="post" accept-charset="UTF-8">
<input type="hidden" name="form_id" value="cart_add" />
<input type="text" name="product" value="" />
<input type="submit" name="op" value="Add to cart" class="button js-form-submit form-submit" />
</form>"""
NGINX = (
    "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n"
    "<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
)


def page(site: str, title: str, content: str, visitor: str | None) -> str:
    """Return a page around *content*, which is HTML; *visitor* is the name of the logged-in user."""
    log_in = '<a href="/user/login">Log in</a>'
    log_out = f'<a href="/user">{escape(visitor or "")}</a> <a href="/user/logout">Log out</a>'
    return PAGE.format(
        site=escape(site), title=escape(title), content=content, menu=log_in if visitor is None else log_out
    )


def explain(status: HTTPStatus) -> str:
    return f"<p>{EXPLANATIONS.get(status, status.phrase)}</p>"


def redirect(location: str) -> str:
    """Return the body that Symfony gives a redirect."""
    return REDIRECT.format(location=escape(location))


def login(error: str = "", *, action: str = "/user/login") -> str:
    return LOGIN.format(
        action=escape(action),
        build_id=f"form-{secrets.token_urlsafe(32)}",
        error=f'<div role="alert">{escape(error)}</div>\n' if error else "",
    )


def register() -> str:
    return REGISTER.format(build_id=f"form-{secrets.token_urlsafe(32)}")


def one_time_login(action: str) -> str:
    return ONE_TIME_LOGIN.format(action=escape(action))


def messages(texts: Sequence[str]) -> str:
    return "".join(f'<div role="contentinfo" aria-label="Status message">{escape(text)}</div>\n' for text in texts)


def account(user: User, *, version: str, phone_field: str | None, token: str, languages: Sequence[str] = ()) -> str:
    """Return the account form of *user* with the inputs measured on *version*, and a select of *languages*."""
    phone = ""
    if phone_field is not None:
        css_id = phone_field.replace("_", "-")
        phone = PHONE.format(id=escape(css_id), name=escape(phone_field), value=escape(user.phone or ""))
    aria = ' aria-required="true"' if version == "10" else ""
    return ACCOUNT.format(
        uid=user.uid,
        mail=escape(user.mail or ""),
        aria=aria,
        phone=phone,
        language=_language(user, languages) if languages else "",
        token=escape(token),
    )


def _language(user: User, languages: Sequence[str]) -> str:
    """Return the select. If the site lacks the account's language, its first one is selected."""
    chosen = user.preferred_langcode if user.preferred_langcode in languages else languages[0]
    selected = {chosen: ' selected="selected"'}
    options = [f'<option value="{escape(code)}"{selected.get(code, "")}>{escape(code)}</option>' for code in languages]
    return LANGUAGE.format(options="".join(options))


def nginx(status: str) -> str:
    """Return nginx's error page for a status like `502 Bad Gateway`."""
    return NGINX.format(status=status)


def query(parameters: Mapping[str, str]) -> str:
    """Return a query string as PHP's rawurlencode writes it."""
    return "?" * bool(parameters) + "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters.items()
    )


def profile(user: User) -> str:
    return f'<article typeof="schema:Person" about="/user/{user.uid}"><h4>Member for</h4> 1 day</article>'
