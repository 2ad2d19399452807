"""Which text is one telephone number, and which number may be sent to."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.delivery.numbers import NumberOptions, e164
from gateway.errors import Undeliverable

GERMAN = NumberOptions(default_region="DE")
ANY = NumberOptions()


def of(text, options=ANY):
    """The number, or None for none."""
    try:
        return e164(text, options)
    except Undeliverable:
        return None


@pytest.mark.parametrize(
    "written",
    [
        "+4915112345678",
        "+49 (151) 1234-5678",
        "0151 12345678",
        "0151/123 456 78",
        "0049 151 12345678",
        "tel:+49-151-12345678",
        "+49\u00a0151\u201112345678",
        "\u202a+49 151 12345678\u202c",
        "\u0660\u0661\u0665\u0661 \u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
        "+\uff14\uff1915112345678",
    ],
)
def test_a_number_is_read_as_people_write_it(written):
    assert of(written, GERMAN) == "+4915112345678"


def test_without_a_region_a_number_needs_its_country():
    assert of("0151 12345678") is None
    assert of("+49 151 12345678") == "+4915112345678"


@pytest.mark.alone
def test_a_field_of_a_megabyte_holds_nobody_up():
    """Its owner can write it at Drupal, and would do so for each of his logins."""
    began = time.process_time()
    for text in ("1" * 1_000_000, "\N{RIGHT-TO-LEFT MARK}" * 1_000_000):
        assert of(text, GERMAN) is None

    assert time.process_time() - began < 0.01


def test_a_number_that_the_tables_do_not_know_is_taken():
    assert of("+15550100001") == "+15550100001"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "none",
        "+49",
        "12",
        "110",
        "+999999999999",
        "+4915112345678 ext. 3",
        "+4915112345678x3",
        "+4915112345678;ext=3",
        "+4915112345678;phone-context=example.org",
        "+4915112345678 / +4915187654321",
        "0151 12345678, 0151 87654321",
        "+4915112345678\r\nTo: +4915187654321",
        "call +4915112345678",
        "1-800-FLOWERS",
        "++4915112345678",
        "+4915112345678@sms.example.org",
        "+" + "1" * 300,
        "00000000",
        "010000000000000",
        "+490010000000000000",
        "\x00+4915112345678",
        "\ud800",
    ],
)
def test_what_is_not_one_number_is_none(text):
    assert of(text, GERMAN) is None


@pytest.mark.parametrize(
    "number",
    [
        "+49 900 1234567",
        "+49 900 1234567 8",
        "+49 1805 123456",
        "+1 900 234 5678",
        "+44 909 879 0000",
        "+44 70 1234 5678",
        "+979 1 2345 6789",
    ],
    ids=["premium", "premium and more", "shared", "american", "british", "personal", "premium everywhere"],
)
def test_a_number_that_costs_is_none(number):
    assert of(number, GERMAN) is None
    assert of(number, NumberOptions(allowed_regions=("DE", "US", "GB"))) is None


def test_only_allowed_regions_are_sent_to():
    options = NumberOptions(allowed_regions=("DE", "US"))

    assert of("+4915112345678", options) == "+4915112345678"
    assert of("+12025550123", options) == "+12025550123"
    assert of("+41791234567", options) is None
    # The same country code as the US, and dear.
    assert of("+18765550123", options) is None
    assert of("+18092345678", options) is None


def test_a_number_that_may_be_in_several_regions_needs_all_of_them():
    assert of("+15550100001", NumberOptions(allowed_regions=("US",))) is None
    assert of("+49 30 0", NumberOptions(allowed_regions=("US",))) is None


def test_numbers_of_no_country_have_to_be_named():
    assert of("+881612345678") is None
    assert of("+881612345678", NumberOptions(allowed_regions=("DE",))) is None
    assert of("+881612345678", NumberOptions(allowed_regions=("001",))) == "+881612345678"


@given(st.text() | st.from_regex(r"\+?[\d ()./-]{2,40}"), st.sampled_from([ANY, GERMAN]))
def test_whatever_stands_there_is_one_number_or_none(text, options):
    number = of(text, options)

    assert number is None or (number[0] == "+" and number[1:].isascii() and number[1:].isdigit() and len(number) <= 16)
    assert number is None or of(number, options) == number


@pytest.mark.parametrize(
    "wrong",
    [{"default_region": "XX"}, {"default_region": "de"}, {"default_region": "001"}, {"allowed_regions": ["49"]}],
)
def test_a_region_that_there_is_not_is_refused(wrong):
    with pytest.raises(ValidationError):
        NumberOptions(**wrong)
