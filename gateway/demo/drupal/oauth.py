"""simple_oauth 6: its token and authorize routes, and bearer tokens on every other one. Measured, Drupal 10.5."""

import hmac
import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote, urlencode

from aiohttp import web

from gateway.demo.drupal import php
from gateway.demo.drupal.accounts import User
from gateway.demo.drupal.routing import POST_ONLY, READS, READS_AND_POST, Handler, only
from gateway.demo.drupal.tokens import OAuthClient, Token
from gateway.demo.drupal.visit import RefusedError, Visit

DENIED = "The resource owner or authorization server denied the request."
DOTS = "The JWT string must have two dots"
REVOKED = "Access token has been revoked"
GRANT = {
    "error": "unsupported_grant_type",
    "error_description": "The authorization grant type is not supported by the authorization server.",
    "hint": "Check that all required parameters have been provided",
}
CLIENT = {"error": "invalid_client", "error_description": "Client authentication failed"}
REQUEST = (
    "The request is missing a required parameter, includes an invalid parameter value, "
    "includes a parameter more than once, or is otherwise malformed."
)
INVALID_GRANT = (
    "The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is "
    "invalid, expired, revoked, does not match the redirection URI used in the authorization request, "
    "or was issued to another client."
)


class OAuthError(Exception):
    """A refusal of the token route, in OAuth's own form."""

    def __init__(self, document: Mapping[str, str], status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(document["error"])
        self.document = document
        self.status = status


def find(visit: Visit) -> Handler | None:
    """Return the handler below /oauth, if the module is on."""
    if not visit.site.has("simple_oauth"):
        return None
    match visit.segments:
        case ["oauth", "token"]:
            return only(visit, POST_ONLY, token)
        case ["oauth", "authorize"]:
            return only(visit, READS_AND_POST, authorize)
        case ["oauth", "userinfo"]:
            return only(visit, READS_AND_POST, userinfo)
        case ["oauth", "debug"]:
            return only(visit, READS, debug)
        case _:
            return None


def bearer(visit: Visit) -> Token | None:
    """Return the token of the Authorization header, or None without one.

    Measured: `Bearer ` counts in this case only, and anywhere in the header; a header called PHP-AUTH-DIGEST may hold
    it. Raises RefusedError, 401, for a token that is not valid.
    """
    authorization = php.authorization(visit.headers)
    if "Bearer " not in authorization:
        return None
    value = re.sub(r"^\s*Bearer\s", "", authorization).strip()
    found = visit.site.tokens.find(value, "access")
    if found is None or not visit.site.tokens.is_valid(found):
        # Without a route yet, this is no answer of JSON:API.
        visit.format = visit.query.get("_format") or "html"
        reason = DOTS if found is None else REVOKED
        realm = f'Bearer realm="OAuth", error="access_denied", error_description="{reason}"'
        raise RefusedError(HTTPStatus.UNAUTHORIZED, DENIED, {"WWW-Authenticate": realm})
    return found


async def token(visit: Visit) -> web.Response:
    """Hand out tokens for a client's own credentials, a code or a refresh token; for nothing else.

    Measured: the body is urlencoded or multipart, whatever `_format` says; a client may also come by a Basic header.
    """
    try:
        return _granted(visit, await visit.form())
    except OAuthError as error:
        return visit.json(error.document, error.status)


def _granted(visit: Visit, fields: php.Fields) -> web.Response:
    client = _client(visit, fields)
    match fields.get("grant_type", ""):
        case "client_credentials":
            scopes = _scopes(client, fields.get("scope", ""))
            return _answer(visit, client.uid, client, scopes, family="", with_refresh=False)
        case "authorization_code":
            return _from_code(visit, client, fields)
        case "refresh_token":
            return _from_refresh(visit, client, fields)
        case _:
            raise OAuthError(GRANT)


def _client(visit: Visit, fields: php.Fields) -> OAuthClient:
    credentials = php.basic_credentials(visit.headers) or ("", "")
    name = fields.get("client_id") or credentials[0]
    if not name:
        raise OAuthError({**_error("invalid_request", REQUEST), "hint": "Check the `client_id` parameter"})
    client = visit.site.options.oauth_client
    if fields.get("grant_type", "") not in ("client_credentials", "authorization_code", "refresh_token"):
        raise OAuthError(GRANT)
    secret = fields.get("client_secret") or credentials[1]
    if name != client.id or not hmac.compare_digest(secret.encode(errors="replace"), client.secret.encode()):
        raise OAuthError(CLIENT, HTTPStatus.UNAUTHORIZED)
    return client


def _from_code(visit: Visit, client: OAuthClient, fields: php.Fields) -> web.Response:
    if not fields.get("code"):
        raise OAuthError({**_error("invalid_request", REQUEST), "hint": "Check the `code` parameter"})
    code = visit.site.tokens.find(fields["code"], "code")
    if code is None or not visit.site.tokens.is_valid(code) or fields.get("redirect_uri") != client.redirect_uri:
        raise OAuthError({**_error("invalid_grant", INVALID_GRANT), "hint": "Authorization code has been revoked"})
    visit.site.tokens.revoke(code)
    return _answer(visit, code.uid, client, code.scopes, family=code.family, with_refresh=True)


def _from_refresh(visit: Visit, client: OAuthClient, fields: php.Fields) -> web.Response:
    """Hand out new tokens. Measured: the old ones, the access token too, are void from then on."""
    if not fields.get("refresh_token"):
        raise OAuthError({**_error("invalid_request", REQUEST), "hint": "Check the `refresh_token` parameter"})
    old = visit.site.tokens.find(fields["refresh_token"], "refresh")
    if old is None or not visit.site.tokens.is_valid(old):
        raise OAuthError({**_error("invalid_grant", "The refresh token is invalid."), "hint": "Token has been revoked"})
    visit.site.tokens.revoke_family(old.family)
    return _answer(visit, old.uid, client, old.scopes, family="", with_refresh=True)


def _answer(
    visit: Visit, uid: int, client: OAuthClient, scopes: tuple[str, ...], *, family: str, with_refresh: bool
) -> web.Response:
    tokens = visit.site.tokens
    access = tokens.issue("access", uid=uid, client=client.id, scopes=scopes, family=family)
    document = {"token_type": "Bearer", "expires_in": 300, "access_token": access.value}
    user = visit.site.accounts.get(uid)
    if "openid" in scopes and user is not None:
        document = {"id_token": tokens.signed({"aud": client.id, **_claims(visit, user)}), **document}
    if with_refresh:
        refresh = tokens.issue("refresh", uid=uid, client=client.id, scopes=scopes, family=access.family)
        document["refresh_token"] = refresh.value
    answer = visit.json(document, content_type="application/json; charset=UTF-8")
    answer.headers["Cache-Control"] = "no-store, private"
    answer.headers["pragma"] = "no-cache"
    return answer


def _scopes(client: OAuthClient, given: str) -> tuple[str, ...]:
    scopes = tuple(given.split())
    unknown = [scope for scope in scopes if scope not in client.scopes]
    if unknown:
        error = _error("invalid_scope", "The requested scope is invalid, unknown, or malformed")
        raise OAuthError({**error, "hint": f"Check the `{unknown[0]}` scope"})
    return scopes


def _error(name: str, description: str) -> dict[str, str]:
    return {"error": name, "error_description": description}


async def authorize(visit: Visit) -> web.Response:
    """Hand out a code to a logged-in user, or to a bearer; lead anonymous visitors to the login form.

    Measured: an anonymous visitor gets an anonymous session.
    """
    if visit.account is None:
        visit.add_message("Please log in.")
        destination = f"/oauth/authorize?{urlencode(sorted(visit.query.items()), safe='/', quote_via=quote)}"
        return visit.redirect(f"/user/login?destination={quote(destination, safe='/')}")
    client = visit.site.options.oauth_client
    if visit.query.get("client_id") != client.id:
        return visit.json(CLIENT, HTTPStatus.UNAUTHORIZED)
    if visit.query.get("response_type") != "code":
        return visit.json(GRANT, HTTPStatus.BAD_REQUEST)
    scopes = _scopes(client, visit.query.get("scope", ""))
    code = visit.site.tokens.issue("code", uid=visit.account.uid, client=client.id, scopes=scopes)
    answer = visit.empty(HTTPStatus.FOUND, "text/html; charset=UTF-8")
    parameters = {"code": code.value, **({"state": visit.query["state"]} if "state" in visit.query else {})}
    answer.headers["Location"] = f"{client.redirect_uri}?{urlencode(parameters)}"
    return answer


async def userinfo(visit: Visit) -> web.Response:
    if visit.account is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, "")
    return visit.json(_claims(visit, visit.account))


async def debug(_visit: Visit) -> web.Response:
    raise RefusedError(HTTPStatus.FORBIDDEN, "")


def _claims(visit: Visit, user: User) -> dict[str, object]:
    return {
        "sub": str(user.uid),
        "name": user.name,
        "preferred_username": user.name,
        "email": user.mail,
        "email_verified": True,
        "profile": f"{visit.origin.base_url}/user/{user.uid}",
        "locale": "en",
        "zoneinfo": "UTC",
        "updated_at": int(user.created),
    }
