"""An app's code, by the RFC's own numbers."""

import base64
import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from pydantic import ValidationError

from gateway.factors import Totp, TotpOptions, qr_of, text_of
from gateway.settings import Settings

# RFC 6238, appendix B: the secret, and the codes of SHA-1.
SECRET = b"12345678901234567890"
VECTORS = [
    (59, "94287082"),
    (1111111109, "07081804"),
    (1111111111, "14050471"),
    (1234567890, "89005924"),
    (2000000000, "69279037"),
    (20000000000, "65353130"),
]
NOW = 1111111109


@pytest.fixture
def totp():
    return Totp(issuer="Example")


@pytest.mark.parametrize(("at", "code"), VECTORS)
def test_the_codes_are_rfc_6238s(at, code):
    totp = Totp(issuer="Example", digits=8)

    assert totp.code(SECRET, at // 30) == code
    assert totp.step(SECRET, code, now=at, after=0) == at // 30


@pytest.mark.parametrize(("at", "code"), VECTORS)
def test_six_digits_are_the_last_six(totp, at, code):
    assert totp.code(SECRET, at // 30) == code[2:]


@pytest.mark.parametrize(("off", "found"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_off_is_tolerated_and_the_step_is_told(totp, off, found):
    step = NOW // 30 + off

    assert totp.step(SECRET, totp.code(SECRET, step), now=NOW, after=0) == (step if found else None)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_step_that_is_not_later_than_the_last_spent_one_is_none(totp, after):
    step = NOW // 30

    assert totp.step(SECRET, totp.code(SECRET, step), now=NOW, after=step + after) is None
    assert totp.step(SECRET, totp.code(SECRET, step), now=NOW, after=step - 1 - after) == step


@pytest.mark.parametrize("typed", ["", "no", "0" * 64, "é", "12345", "\ud800"])
def test_what_is_no_code_is_none(totp, typed):
    assert totp.step(SECRET, typed, now=NOW, after=0) is None


def test_every_secret_is_another_of_160_bits_and_needs_no_padding(totp):
    secrets = {totp.secret() for _ in range(50)}

    assert {len(secret) for secret in secrets} == {20}
    assert len(secrets) == 50
    assert all("=" not in text_of(secret) for secret in secrets)


@pytest.mark.parametrize("name", ["alice", "user.with@mail.example", "Ünïcode Üser", "a:b&c=d?e/f%20", "x\ny\u202e"])
def test_the_link_says_secret_issuer_and_name_and_nothing_that_a_name_could_add(totp, name):
    link = urlsplit(totp.uri(SECRET, name))

    assert (link.scheme, link.netloc) == ("otpauth", "totp")
    shown = "".join(letter for letter in name if letter.isprintable() and letter != ":")
    assert unquote(link.path) == f"/Example:{shown}"
    assert parse_qs(link.query) == {"secret": [base64.b32encode(SECRET).decode()], "issuer": ["Example"]}


def test_the_longest_name_still_fits_into_a_picture():
    totp = Totp(issuer="\N{KEY}" * 40)

    assert qr_of(totp.uri(SECRET, "\N{KEY}" * 254)).startswith("<svg ")


def test_the_picture_is_one_element_that_a_page_can_take_as_it_is(totp):
    picture = qr_of(totp.uri(SECRET, "<script>alert(1)</script>"))

    assert picture.count("<svg") == picture.count("</svg>") == 1
    assert "script" not in picture
    assert "<?xml" not in picture


def test_a_page_may_show_the_picture_in_another_size(totp):
    picture = qr_of(totp.uri(SECRET, "alice"))

    wide, high = re.search(r'viewBox="0 0 (\d+) (\d+)"', picture).groups()
    assert f'width="{wide}px" height="{high}px"' in picture


@pytest.mark.parametrize("issuer", ["a:b", "a\nb", "x" * 41])
def test_an_issuer_that_apps_would_misread_is_refused(issuer):
    with pytest.raises(ValidationError):
        TotpOptions(issuer=issuer)


@pytest.mark.parametrize("methods", [["EMAIL", "GOOGLE AUTHENTICATOR"], ["EMAIL", "RECOVERY CODE"]])
def test_a_policy_names_apps_and_their_codes_only_where_they_are_allowed(methods):
    def conflicts(enabled):
        made = Settings.model_validate({"policy": {"methods": methods}, "totp": {"enabled": enabled}})
        return [key for key, _ in made.conflicts()]

    assert "policy.methods" in conflicts(enabled=False)
    assert "policy.methods" not in conflicts(enabled=True)
