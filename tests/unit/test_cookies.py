"""Drupal's session cookies: in a request, in an answer, and in a browser."""

import re

import pytest

from gateway.drupal.cookies import (
    CHANGES,
    deletions,
    deletions_anywhere,
    opened_cookies,
    sent_cookie,
    session_cookies,
    session_name,
    unusable_cookies,
    why_unusable,
)

NAME, SECURE_NAME = "SESS" + "0a" * 16, "SSESS" + "0b" * 16


def sent(header):
    return sent_cookie(header, (NAME, SECURE_NAME))


@pytest.mark.parametrize("value", ["abc", "a%2Cb-_", "a,b", "a=b==", "x" * 256, "!#$&'()*+/:<>?@[]^`{|}~"])
def test_a_value_is_taken_byte_for_byte(value):
    assert sent(f"{NAME}={value}") == (NAME, value)


def test_it_is_found_among_others():
    header = f"a=1; {NAME}=one;x=2;{SECURE_NAME}=two ; has_js=1"

    assert sent_cookie(header, [NAME]) == (NAME, "one")
    assert sent_cookie(header, [SECURE_NAME]) == (SECURE_NAME, "two")


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"{NAME}",
        f"{NAME}=",
        f"x{NAME}=one",
        f"a={NAME}=one",
        f"{NAME[:-1]}=one",
        f"{NAME}0=one",
        f"{NAME.lower()}=one",
        f"SESS{'0A' * 16}=one",
        f'{NAME}="one"',
        f"{NAME} =one",
        "SESSION=one",
    ],
)
def test_nothing_else_is_a_session(header):
    assert sent_cookie(header, (NAME, SECURE_NAME), any_name=True) is None


def test_of_two_with_one_name_the_first_counts():
    assert sent(f"{NAME}=one; {NAME}=two") == (NAME, "one")


def test_a_foreign_name_counts_only_if_any_does_and_there_is_no_own():
    foreign = "SESS" + "0c" * 16

    assert sent(f"{foreign}=one") is None
    assert sent_cookie(f"{foreign}=one; S{foreign}=two", [NAME], any_name=True) == (foreign, "one")
    assert sent_cookie(f"{foreign}=one; {NAME}=two", [NAME], any_name=True) == (NAME, "two")


@pytest.mark.parametrize(
    ("url", "name"),
    # Measured, Drupal 10.6 and 11.4; all ports of a host share one name.
    [
        ("http://127.0.0.1:8081", "SESS12ca17b49af2289436f303e0166030a2"),
        ("https://127.0.0.1", "SSESS12ca17b49af2289436f303e0166030a2"),
    ],
)
def test_drupals_name_for_its_cookie_is_made_of_scheme_and_host(url, name):
    assert session_name(url) == name


def line(*attributes):
    return "; ".join([f"{NAME}=value", "path=/", *attributes, "HttpOnly"])


@pytest.mark.parametrize(
    ("cookie", "url", "reason"),
    [
        (line(), "http://www.example.org", None),
        (line("domain=.example.org"), "http://www.example.org", None),
        (line("Domain=example.org"), "http://example.org:8080", None),
        (line("domain=.www.example.org"), "http://www.example.org", None),
        (line("domain=.ample.org"), "http://www.example.org", "domain"),
        (line("domain=.example.org"), "http://badexample.org", "domain"),
        (line("domain=.other.test"), "https://www.example.org", "domain"),
        (line("domain=.www.example.org"), "http://example.org", "domain"),
        (line("secure"), "https://www.example.org", None),
        (line("Secure"), "http://www.example.org", "secure"),
        (line("secure"), "http://localhost:8080", None),
        (line(), "https://www.example.org", "not_secure"),
    ],
)
def test_what_a_browser_will_not_keep_is_known(cookie, url, reason):
    assert why_unusable(cookie, url) == reason


def test_attributes_are_read_behind_the_value_only():
    assert why_unusable("SESSx=domain=.other.test", "http://www.example.org") is None


def test_each_reason_comes_with_what_to_change():
    lines = (line("domain=.other.test"), line("secure"), line())

    assert [
        (cookie.reason, cookie.change) for cookie in unusable_cookies(lines, public_url="http://www.example.org")
    ] == [(reason, CHANGES[reason]) for reason in ("domain", "secure")]


def test_where_the_address_of_the_gateway_is_not_known_no_cookie_is_unusable():
    assert unusable_cookies([line("secure"), line("domain=.other.test")], public_url=None) == []


def test_an_answer_shows_its_session_cookies_in_their_order_and_no_others():
    lines = [f"{NAME}=a%2Cb; path=/", "lang=de", f"x{NAME}=no", f"{SECURE_NAME}=two; secure"]

    assert [(cookie.name, cookie.value, cookie.line) for cookie in session_cookies(lines)] == [
        (NAME, "a%2Cb", lines[0]),
        (SECURE_NAME, "two", lines[3]),
    ]


@pytest.mark.parametrize(
    ("cookie", "is_deletion"),
    [
        (f"{NAME}=value; path=/", False),
        (f"{NAME}=deleted; path=/", True),
        (f"{NAME}=; path=/", True),
        # A deletion is known by its value. A date in the past may be a wrong clock.
        (f"{NAME}=value; expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0", False),
        (f"{NAME}=deleted", True),
        (f"{NAME}=deletedx", False),
    ],
)
def test_a_deletion_is_known_by_its_value(cookie, is_deletion):
    assert [found.is_deletion for found in session_cookies([cookie])] == [is_deletion]


@pytest.mark.parametrize(
    ("lines", "opened"),
    [
        ([f"{NAME}=one; path=/"], [f"{NAME}=one; path=/"]),
        ([f"S{NAME}=one; secure"], [f"S{NAME}=one; secure"]),
        ([f"{NAME}=one", f"{NAME}=two"], [f"{NAME}=one", f"{NAME}=two"]),
        # The same cookie set twice is one session, with the attributes of the last line.
        ([f"{NAME}=one", f"{NAME}=one; secure"], [f"{NAME}=one; secure"]),
        ([f"{NAME}=one", f"{NAME}=deleted; Max-Age=0"], [f"{NAME}=one"]),
        ([f"{NAME}=one", "other=x"], [f"{NAME}=one"]),
        ([f"{NAME}=a,b%2C=="], [f"{NAME}=a,b%2C=="]),
        ([f"{NAME}=deleted"], []),
    ],
)
def test_every_session_that_an_answer_opened_is_known_once(lines, opened):
    assert [cookie.line for cookie in opened_cookies(lines)] == opened


def test_drupals_own_deletion_is_passed_on_as_it_is():
    own = f"{NAME}=deleted; expires=Thu, 01 Jan 1970 00:00:01 GMT; path=/; domain=.www.example.org; HttpOnly"

    assert deletions(["lang=de", own], NAME, host="other.example") == (own,)


@pytest.mark.parametrize(
    ("name", "host", "scope"),
    [
        (NAME, "localhost", "; HttpOnly"),
        (NAME, "192.0.2.1", "; HttpOnly"),
        (NAME, "www.example.org", "; domain=.www.example.org; HttpOnly"),
        (SECURE_NAME, "www.example.org", "; domain=.www.example.org; secure; HttpOnly"),
    ],
)
def test_a_deletion_that_drupal_did_not_send_is_made_with_the_scope_of_its_cookie(name, host, scope):
    [made] = deletions([], name, host=host)

    assert made == f"{name}=deleted; expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; path=/{scope}"


def test_nothing_of_a_cookie_shows_in_what_may_be_logged():
    [cookie] = session_cookies([f"{NAME}=private; path=/"])

    assert "private" not in repr(cookie)


@pytest.mark.parametrize(
    ("host", "domains"),
    [
        ("localhost", [None]),
        ("192.0.2.1", [None]),
        ("example.org", [".example.org"]),
        ("www.shop.example.org", [".www.shop.example.org", ".shop.example.org", ".example.org"]),
    ],
)
def test_a_cookie_is_deleted_under_every_domain_that_a_site_can_give_it(host, domains):
    lines = deletions_anywhere(NAME, host=host)

    found = [re.search(r"domain=([^;]*)", line) for line in lines]
    assert [match and match[1] for match in found] == domains
