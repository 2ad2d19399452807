"""The gateway's own cookies: for one host, sealed, and never longer than a browser keeps."""

from dataclasses import replace

import pytest

from gateway.sealing import Sealer, SealKey
from gateway.web.site.own_cookies import Challenge, Note, OwnCookies

KEY = SealKey.fresh("k1")
CHALLENGE = Challenge(
    id="i" * 43,
    username="älice",
    auth_type="EMAIL",
    methods=("EMAIL", "AUTHENTICATOR"),
    destination="a•••@e••••.org",
    landing="/node/1?a=b",
)


def cookies(origin: str = "https://www.example.org", key: SealKey = KEY) -> OwnCookies:
    return OwnCookies(Sealer([key], b"i" * 32), origin=origin, device_days=30)


def sent(line: str) -> dict[str, str]:
    name, _, rest = line.partition("=")
    return {name: rest.partition(";")[0]}


def test_a_challenge_comes_back():
    assert cookies().challenge_in(sent(cookies().challenge_line(CHALLENGE))) == CHALLENGE


def test_it_is_for_this_host_alone_and_no_script_reads_it():
    line = cookies().challenge_line(CHALLENGE)

    assert line.startswith("__Host-headgate-challenge=")
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
    assert "Domain" not in line


def test_plain_http_has_no_prefix_since_browsers_would_reject_it():
    assert cookies("http://localhost:8080").challenge_line(CHALLENGE).startswith("headgate-challenge=")


@pytest.mark.parametrize("value", ["", "AAAA", "é", "A" * 5000])
def test_what_was_not_sealed_here_is_no_challenge(value):
    assert cookies().challenge_in({"__Host-headgate-challenge": value}) is None


def test_another_key_or_site_does_not_open_it():
    own = sent(cookies().challenge_line(CHALLENGE))

    assert cookies(key=SealKey.fresh("k1")).challenge_in(own) is None
    assert OwnCookies(Sealer([KEY], b"i" * 32), origin="https://b.example.org", device_days=1).challenge_in(own) is None


def test_a_long_landing_becomes_the_front_page():
    line = cookies().challenge_line(replace(CHALLENGE, landing="/" + "x" * 3000))

    assert len(line) < 4096
    assert cookies().challenge_in(sent(line)).landing == "/"


def test_the_form_token_belongs_to_one_login():
    other = replace(CHALLENGE, id="j" * 43)

    assert cookies().form_token(CHALLENGE) == cookies().form_token(CHALLENGE)
    assert cookies().form_token(CHALLENGE) != cookies().form_token(other)


def test_a_device_comes_back():
    assert cookies().device_in(sent(cookies().device_line("t" * 43))) == "t" * 43
    assert cookies().device_in({}) is None
    assert cookies().device_in({"__Host-headgate-device": "t" * 500}) is None


NOTE = Note(word="wrong_otp", attempts_left=3, until=1_790_000_000.5)


def test_a_note_comes_back_for_its_login_alone():
    own = sent(cookies().note_line(NOTE, id="i" * 43))

    assert cookies().note_in(own, id="i" * 43) == NOTE
    assert cookies().note_in(own, id="j" * 43) is None
    assert cookies().note_in(own) is None


def test_a_note_is_short_lived():
    assert "; Max-Age=60" in cookies().note_line(NOTE)


@pytest.mark.parametrize("value", ["", "AAAA", "é", "A" * 5000])
def test_what_was_not_sealed_here_is_no_note(value):
    assert cookies().note_in({"__Host-headgate-note": value}) is None


def test_a_challenge_is_no_note_and_a_note_no_challenge():
    note = sent(cookies().note_line(NOTE))
    challenge = sent(cookies().challenge_line(CHALLENGE))

    assert cookies().challenge_in({"__Host-headgate-challenge": note["__Host-headgate-note"]}) is None
    assert cookies().note_in({"__Host-headgate-note": challenge["__Host-headgate-challenge"]}) is None
