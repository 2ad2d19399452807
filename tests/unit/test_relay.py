"""The session's cookie as it is handed on: only the attributes change, never the pair."""

import pytest

from gateway.web.headless.relay import relayed

LINE = "SSESSabc=id%2C; expires=Fri, 01 Jan 2027 00:00:00 GMT; Max-Age=2000000; path=/; domain=.example.org; secure; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("keep", LINE),
        ("host-only", LINE.replace("; domain=.example.org", "")),
        (
            "cross-site",
            LINE.replace("; secure", "").replace("; SameSite=Lax", "") + "; SameSite=None; Secure; Partitioned",
        ),
    ],
)
def test_only_attributes_change(how, expected):
    assert relayed(LINE, how) == expected


@pytest.mark.parametrize("how", ["host-only", "cross-site"])
def test_twice_is_once(how):
    assert relayed(relayed(LINE, how), how) == relayed(LINE, how)


def test_letter_case_and_blanks_hide_no_attribute():
    assert relayed("a=b; SAMESITE = Strict ;PARTITIONED; Secure", "cross-site") == (
        "a=b; SameSite=None; Secure; Partitioned"
    )
