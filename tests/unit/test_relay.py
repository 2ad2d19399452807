"""Drupal's cookies, in and out."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
from structlog.testing import capture_logs

from gateway.web.headless.relay import ADVICE, sessions_in, warn_if_unusable, why_unusable

NAME, SECURE_NAME = "SESS" + "0a" * 16, "SSESS" + "0b" * 16


def sessions(*headers):
    return list(sessions_in(make_mocked_request("POST", "/", CIMultiDict(("Cookie", header) for header in headers))))


@pytest.mark.parametrize("value", ["abc", "a%2Cb-_", "a,b", "a=b==", "x" * 256, "!#$&'()*+/:<>?@[]^`{|}~"])
def test_a_value_is_taken_byte_for_byte(value):
    assert sessions(f"{NAME}={value}") == [(NAME, value)]


def test_it_is_found_among_others():
    header = f"a=1; {NAME}=one;x=2;{SECURE_NAME}=two ; has_js=1"

    assert sessions(header) == [(NAME, "one"), (SECURE_NAME, "two")]


def test_several_headers_are_one():
    assert sessions("a=1", f"{NAME}=one", f"{NAME}=two") == [(NAME, "one"), (NAME, "two")]


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
    assert sessions(header) == []


def test_of_many_only_the_first_four_are_looked_at():
    assert len(sessions("; ".join(f"{NAME}={number}" for number in range(1000)))) == 4


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
        (line("secure"), None, None),
    ],
)
def test_what_a_browser_will_not_keep_is_known(cookie, url, reason):
    assert why_unusable(cookie, url) == reason


def test_attributes_are_read_behind_the_value_only():
    assert why_unusable("SESSx=domain=.other.test", "http://www.example.org") is None


def test_each_reason_has_its_advice():
    cookies = (line("domain=.other.test"), line("secure"), line())
    with capture_logs() as events:
        warn_if_unusable(cookies, "http://www.example.org")

    assert [(event["reason"], event["change"]) for event in events] == [
        (reason, ADVICE[reason]) for reason in ("domain", "secure")
    ]
    assert "value" not in str(events)
