"""What Drupal's answers to a login mean: the recorded sentences of 10.6 and 11.4, and everything else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.drupal.answers import Answer, login_refusal, opened_session, unusable
from gateway.errors import BadCredentials, DrupalInvalid, DrupalMaintenance, Flood
from tests.contracts.recorded.wire import recorded

NAME = "SESS" + "0a" * 16
COOKIE = f"{NAME}=P8X6%2CaFdl; expires=Thu, 17 Dec 2026 05:47:34 GMT; Max-Age=2000000; path=/; HttpOnly; SameSite=Lax"
RIGHT = {"current_user": {"uid": "2", "name": "alice"}, "csrf_token": "csrf", "logout_token": "logout"}


def answer(status, body, *, content_type="application/json", cookies=()):
    return Answer(
        status=status,
        content_type=content_type,
        cookies=tuple(cookies),
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
    )


def right(body=RIGHT, **fields):
    return answer(200, body, **{"cookies": [COOKIE]} | fields)


def outcome(of):
    """What an answer to a login comes to: its uid, or the error's name and reason."""
    try:
        return opened_session(of).uid
    except (BadCredentials, DrupalInvalid, DrupalMaintenance, Flood) as error:
        return type(error), error.reason


def test_a_right_login_is_a_session():
    session = opened_session(right())

    assert (session.uid, session.name, session.roles) == ("2", "alice", ())
    assert (session.cookie_name, session.cookie_value, session.set_cookie) == (NAME, "P8X6%2CaFdl", COOKIE)
    assert (session.csrf_token, session.logout_token) == ("csrf", "logout")


def test_roles_are_taken_where_they_are_shown():
    body = RIGHT | {"current_user": {"uid": "1", "name": "admin", "roles": ["authenticated", 7, "administrator"]}}

    assert opened_session(right(body)).roles == ("authenticated", "administrator")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[" * 100_000,
        b"\xff",
        [],
        {},
        {"current_user": None},
        {"current_user": []},
        {"current_user": {}},
        {"current_user": {"uid": 2}},
        {"current_user": {"uid": None}},
        {"current_user": {"uid": ""}},
        {"current_user": {"uid": "2 "}},
        {"current_user": {"uid": "-1"}},
        {"current_user": {"uid": "../admin"}},
        {"current_user": {"uid": ["2"]}},
        {"uid": "2"},
        {"message": "Sorry, unrecognized username or password."},
    ],
    ids=lambda body: repr(body)[:40],
)
def test_200_without_the_user_is_not_a_login(body):
    assert outcome(right(body)) == (DrupalInvalid, "login_200")


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/octet-stream", ""])
def test_200_that_is_not_json_is_not_a_login(content_type):
    assert outcome(right(content_type=content_type)) == (DrupalInvalid, "login_200")


@pytest.mark.parametrize(
    "cookies",
    [[], ["SESSION=x"], [f"{NAME}=deleted; path=/"], [f"{NAME}=; path=/"], [f"X{COOKIE}"], [f"a=1; {COOKIE}"]],
)
def test_200_without_a_session_is_not_a_login(cookies):
    assert outcome(right(cookies=cookies)) == (DrupalInvalid, "login_200")


def test_a_body_without_tokens_is_a_login_all_the_same():
    session = opened_session(right({"current_user": {"uid": "2"}, "csrf_token": None, "logout_token": 5}))

    assert (session.name, session.csrf_token, session.logout_token) == ("", "", "")


WRONG = (BadCredentials, "refused")
BY_STATUS = {
    # Wrong, unknown and blocked, in the words of 10.6 and 11.4 and in none.
    "wrong on 10": (400, "Sorry, unrecognized username or password.", WRONG),
    "wrong on 11": (400, "Unrecognized username or password.", WRONG),
    "blocked": (400, "The user has not been activated or is blocked.", WRONG),
    "missing": (400, "Missing credentials.name.", WRONG),
    "other words": (400, "Désolé.", WRONG),
    "address flood": (
        403,
        "Access is blocked because of IP based flood prevention.",
        (Flood, "drupal_address"),
    ),
    "account flood by address": (
        403,
        "Too many failed login attempts from your IP address. This IP address is temporarily blocked.",
        (BadCredentials, "drupal_account_flood"),
    ),
    "account flood": (
        403,
        "There have been more than 5 failed login attempts for this account. It is temporarily blocked.",
        (BadCredentials, "drupal_account_flood"),
    ),
    "authenticated already": (
        403,
        "This route can only be accessed by anonymous users.",
        (BadCredentials, "drupal_forbidden"),
    ),
    "found": (302, "x", (DrupalInvalid, "http_302")),
    "created": (201, "x", (DrupalInvalid, "http_201")),
    "unauthorized": (401, "x", (DrupalInvalid, "http_401")),
    "not found": (404, "x", (DrupalInvalid, "http_404")),
    "other format": (406, "x", (DrupalInvalid, "http_406")),
    "too large": (413, "x", (DrupalInvalid, "http_413")),
    "too many": (429, "x", (DrupalInvalid, "http_429")),
    "error": (500, "The website encountered an unexpected error.", (DrupalInvalid, "http_500")),
    "bad gateway": (502, "x", (DrupalInvalid, "http_502")),
    "maintenance": (503, "x", (DrupalMaintenance, "http_503")),
    "gateway timeout": (504, "x", (DrupalInvalid, "http_504")),
}


@pytest.mark.parametrize(("status", "message", "meaning"), BY_STATUS.values(), ids=BY_STATUS)
def test_an_answer_means_by_its_status_first(status, message, meaning):
    assert outcome(answer(status, {"message": message}, cookies=[COOKIE])) == meaning


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize(
    "fields",
    [
        {"body": b"<h1>400 Bad Request</h1>", "content_type": "text/html"},
        {"body": {"message": "flood prevention"}, "content_type": "text/plain"},
        {"body": {}},
        {"body": []},
        {"body": {"message": None}},
        {"body": {"message": ["flood prevention"]}},
        {"body": b""},
    ],
    ids=str,
)
def test_a_refusal_that_is_not_drupals_is_nobodys_wrong_password(status, fields):
    assert outcome(answer(status, **fields)) == (DrupalInvalid, f"http_{status}")


def test_who_must_wait_is_told_for_how_long():
    flood = login_refusal(answer(403, {"message": "IP based flood prevention"}))
    maintenance = unusable(answer(503, b"", content_type="text/plain"))

    assert (flood.retry_after, maintenance.retry_after) == (3600, 30)


# The names of exchanges that tell what Drupal is in, and what it answers then.
RECORDED = {
    "flood_user_6th_wrong": (BadCredentials, "drupal_account_flood"),
    "flood_user_7th_right": (BadCredentials, "drupal_account_flood"),
    "flood_uid_only_6th": (BadCredentials, "drupal_account_flood"),
    "flood_ip_51st_wrong": (Flood, "drupal_address"),
    "flood_ip_right_password": (Flood, "drupal_address"),
    "flood_user_fail_2": WRONG,
    "flood_both_limits": (Flood, "drupal_address"),
    "login_wrong_password": WRONG,
    "login_unknown_user": WRONG,
    "login_blocked_right_password": WRONG,
    "login_empty_object": WRONG,
    "login_already_logged_in": (BadCredentials, "drupal_forbidden"),
    "login_with_right_basic_auth": (BadCredentials, "drupal_forbidden"),
    "login_method_override": (DrupalInvalid, "http_400"),
    "trusted_host_bad": (DrupalInvalid, "http_400"),
    "cookie_http_empty_host": (DrupalInvalid, "http_400"),
    "maint_login": (DrupalMaintenance, "http_503"),
    "maint_login_wrong": (DrupalMaintenance, "http_503"),
    "fail_db_down_login": (DrupalInvalid, "http_500"),
    "fail_fpm_down_login": (DrupalInvalid, "http_502"),
    "flood_user_same_user_other_ip": "2",
}


@pytest.mark.parametrize("version", ["10", "11"])
def test_recorded_answers_of_real_sites_mean_what_the_site_was_in(version):
    meant = {}
    for exchange in recorded(version):
        if exchange.name in RECORDED:
            response = exchange.response
            headers = [(name.lower(), value) for name, value in response["headers"]]
            content_type = next((value for name, value in headers if name == "content-type"), "")
            meant[exchange.name] = outcome(
                answer(
                    response["status"],
                    response["body"].encode() if isinstance(response["body"], str) else b"",
                    content_type=content_type.partition(";")[0],
                    cookies=[value for name, value in headers if name == "set-cookie"],
                )
            )

    assert len(meant) > 5
    assert meant == {name: RECORDED[name] for name in meant}


@given(st.integers(100, 599), st.binary(max_size=50), st.sampled_from(["application/json", "text/html"]))
def test_no_garbage_is_ever_a_login(status, body, content_type):
    assert isinstance(outcome(answer(status, body, content_type=content_type, cookies=[COOKIE])), tuple)


def test_nothing_of_an_answer_shows_in_what_may_be_logged():
    shown = repr(answer(200, b"private", cookies=[f"{NAME}=private"]))

    assert "private" not in shown
