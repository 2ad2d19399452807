"""A session under our seal: bound to its cookie's name and to the site, and opened by any of the keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sealing import Sealer, SealKey
from gateway.web.site.sealed_cookies import Kind, SealedCookies, SealedSession

NAME = "SESS" + "a" * 32
OLD, NEW = SealKey.fresh("k1"), SealKey.fresh("k2")
ORIGIN = "https://www.example.org"
SESSION = SealedSession(kind=Kind.PROVEN, id="A-b%2C_" * 4, uid="2", since=1_800_000_000)


def cookies(*keys: SealKey, origin: str = ORIGIN) -> SealedCookies:
    return SealedCookies(Sealer(keys or (OLD,), b"i" * 32), origin=origin)


@given(
    kind=st.sampled_from(Kind),
    id=st.from_regex(r"\A[A-Za-z0-9,%_.~-]{16,128}\Z"),
    uid=st.from_regex(r"\A[0-9]{0,10}\Z"),
    since=st.integers(0, 2**40),
    exemption=st.sampled_from(["", "network.abcd"]),
)
def test_what_was_sealed_opens(kind, id, uid, since, exemption):
    session = SealedSession(kind=kind, id=id, uid=uid, since=since, exemption=exemption)

    assert cookies().open(NAME, cookies().seal(NAME, session)) == session


def test_an_old_key_opens_and_a_removed_one_does_not():
    sealed = cookies(OLD).seal(NAME, SESSION)

    assert cookies(NEW, OLD).open(NAME, sealed) == SESSION
    assert cookies(NEW).open(NAME, sealed) is None


@pytest.mark.parametrize(("name", "origin"), [("S" + NAME, ORIGIN), (NAME, "https://other.example.org")])
def test_another_name_or_site_does_not_open_it(name, origin):
    assert cookies(origin=origin).open(name, cookies().seal(NAME, SESSION)) is None


@pytest.mark.parametrize(
    "value", ["", "hg1.", "hg1.AAAA", "hg2.AAAA", SESSION.id, "hg1." + "A" * 600, "hg1.é", "hg1.%41"]
)
def test_anything_else_does_not_open(value):
    assert cookies().open(NAME, value) is None


def test_no_byte_can_be_changed():
    sealed = cookies().seal(NAME, SESSION)

    for place in range(4, len(sealed)):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        opened = cookies().open(NAME, changed)
        # The last character of base64 has bits that say nothing.
        assert opened is None or (place == len(sealed) - 1 and opened == SESSION)


def test_it_shows_neither_the_id_nor_the_uid():
    assert SESSION.id not in cookies().seal(NAME, SESSION)
    assert SESSION.id not in repr(SESSION)


def test_a_line_keeps_its_attributes():
    line = cookies().in_line(f"{NAME}={SESSION.id}; expires=Fri, 01 Jan 2027 00:00:00 GMT; path=/; HttpOnly", SESSION)

    name, _, rest = line.partition("=")
    value, _, attributes = rest.partition(";")
    assert (name, attributes) == (NAME, " expires=Fri, 01 Jan 2027 00:00:00 GMT; path=/; HttpOnly")
    assert cookies().open(NAME, value) == SESSION


@pytest.mark.parametrize("id", ["", "short", "a" * 129, "a:" * 16, "a b" * 8, 'a"' * 10])
def test_an_id_that_drupal_cannot_have_made_is_not_sealed(id):
    with pytest.raises(ValueError, match="not a session id"):
        cookies().seal(NAME, SealedSession(kind=Kind.ANONYMOUS, id=id))
