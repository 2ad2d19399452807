import hmac

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.factors import Code, CodeOptions
from gateway.factors.code import digits_of

SECRET = b"12345678901234567890"


@pytest.fixture
def factor():
    return Code(CodeOptions())


def test_the_code_is_rfc_4226s(factor):
    # RFC 4226, appendix D, count 0.
    assert factor.challenge(SECRET) == "755224"


@pytest.mark.parametrize("digits", [6, 7, 8])
def test_the_code_has_the_configured_digits_and_is_pyotps(digits):
    code = Code(CodeOptions(digits=digits)).challenge(SECRET)

    assert len(code) == digits
    assert code == pyotp.HOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", digits=digits).at(0)


def test_a_code_with_leading_zeros_keeps_them(factor):
    secret = next(
        secret for secret in (number.to_bytes(20) for number in range(1000)) if factor.challenge(secret)[0] == "0"
    )

    assert factor.matches(factor.challenge(secret), secret=secret)
    assert not factor.matches(factor.challenge(secret).lstrip("0"), secret=secret)


@pytest.mark.parametrize(
    "typed",
    [
        "755224",
        " 755224\r\n",
        "755 224",
        "755-224",
        "755\u2013224",
        "755\u2212224",
        "7.5.5_2.2.4",
        "755\u00b7224",
        "755\u00a0224",
        "\u200e755\u200b224",
        "755\u00ad224",
        "７５５２２４",
        "٧٥٥٢٢٤",
        "७५५२२४",
        "𝟕𝟓𝟓𝟐𝟐𝟒",
        "⑦⑤⑤②②④",
    ],
)
def test_the_code_is_right_however_it_is_spelled(factor, typed):
    assert factor.matches(typed, secret=SECRET)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "-",
        "755225",
        "75522",
        "7552240",
        "755224x",
        "x755224",
        "+755224",
        "755,224",
        "0755224",
        "755224\ud800",
        "755224\0",
        "½",
        "七五五二二四",
        "755224" * 100,
        " " * 1000 + "755224",
    ],
)
def test_everything_else_is_wrong(factor, typed):
    assert not factor.matches(typed, secret=SECRET)


@given(st.text())
def test_whatever_is_typed_comes_down_to_ascii_digits(typed):
    digits = digits_of(typed)

    assert digits == "" or (digits.isascii() and digits.isdecimal())


def test_the_comparison_takes_constant_time_and_bytes(factor, monkeypatch):
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: compared.append(pair) or False)

    for typed in ("", "x", "755224", "\u0667"):
        factor.matches(typed, secret=SECRET)

    assert [left for left, _ in compared] == [b"755224"] * 4
    assert all(isinstance(right, bytes) for _, right in compared)


@pytest.mark.parametrize(
    "wrong",
    [
        {"digits": 5},
        {"digits": 9},
        {"lifetime_seconds": 0},
        {"lifetime_seconds": 3601},
        {"attempts": 0},
        {"attempts": 21},
        {"resends": -1},
        {"resend_wait_seconds": -1},
        {"lifetime": 300},
    ],
)
def test_options_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValidationError):
        CodeOptions(**wrong)
