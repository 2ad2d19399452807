"""Remembered devices as plain values."""

from dataclasses import replace
from itertools import pairwise

import pytest

from gateway.account import Device, Enrolment
from gateway.policy.devices import Use, digest_of, forget, give_back, name_of, new_token, present, remember, renewed

NOW, LATER = 1000.0, 5000.0


def tokens(count):
    """What one device holds, one after the other."""
    held = [new_token()]
    while len(held) < count:
        held.append(renewed(held[-1]))
    return held


def remembered(token, *, onto=None, client="web", expires_at=LATER, most=10):
    return remember(onto, uid="2", token=token, client=client, now=NOW, expires_at=expires_at, most=most)


def presented(enrolment, token, following=None, *, client="web", now=NOW):
    return present(enrolment, token=token, client=client, following=following or renewed(token), now=now)


def held_by(enrolment):
    return [device.digest for device in enrolment.devices]


def test_a_token_is_256_random_bits_and_its_digest_half_of_that():
    assert len(new_token()) == 43
    assert new_token() != new_token()
    assert len(digest_of(new_token())) == 16


def test_the_next_token_names_the_same_device_by_128_other_bits():
    first, second, third = tokens(3)

    assert len({first, second, third}) == 3
    assert {len(token) for token in (first, second, third)} == {43}
    assert name_of(first) == name_of(second) == name_of(third) != name_of(new_token())


def test_a_token_works_once_and_then_the_next_one_does():
    first, second, third = tokens(3)
    after, use = presented(remembered(first), first, second)
    again, use_again = presented(after, second, third)

    assert (use, use_again) == (Use.RENEWED, Use.RENEWED)
    assert held_by(again) == [digest_of(third)]


def test_a_device_is_remembered_no_longer_than_from_its_code_however_often_it_comes():
    first, second = tokens(2)
    after, _ = presented(remembered(first), first, second, now=LATER - 1)

    assert after.devices[0].expires_at == LATER
    assert presented(after, second, now=LATER) == (after, Use.UNKNOWN)


def test_a_replaced_token_forgets_all_devices_of_the_user():
    token = new_token()
    two = remembered(new_token(), onto=remembered(token))
    after, _ = presented(two, token)

    assert presented(after, token) == (None, Use.REPLAYED)


def test_however_often_a_thief_goes_on_with_it_the_owners_token_gives_him_away():
    stolen = tokens(200)
    known = remembered(stolen[0])
    for token, following in pairwise(stolen):
        known, use = presented(known, token, following)
        assert use is Use.RENEWED

    assert presented(known, stolen[0]) == (None, Use.REPLAYED)


def test_what_else_the_user_has_enrolled_stays():
    token = new_token()
    known = replace(remembered(token, onto=Enrolment(uid="2", totp_secret=b"secret")), last_step=7)
    after, _ = presented(known, token)

    forgotten, _ = presented(after, token)

    assert forgotten == Enrolment(uid="2", totp_secret=b"secret", last_step=7)


@pytest.mark.parametrize("spoilt", [str.swapcase, lambda _: "", lambda _: "never", lambda _: "a" * 200, lambda _: "é",
    lambda token: token + " ", lambda token: token + "=", lambda token: " " + token, lambda token: token[:-1],
    lambda token: token[:-1] + chr(ord(token[-1]) + 1), lambda _: new_token()])  # fmt: skip
def test_a_token_that_is_not_known_changes_nothing(spoilt):
    # Its last letter has two bits to spare.
    token = renewed(new_token())[:-1] + "0"
    known = remembered(token)

    assert presented(known, spoilt(token)) == (known, Use.UNKNOWN)
    assert presented(None, token) == (None, Use.UNKNOWN)


def test_a_token_means_nothing_to_another_client():
    first, second = tokens(2)
    after, _ = presented(remembered(first), first, second)

    for token in (first, second):
        assert presented(after, token, client="other") == (after, Use.UNKNOWN)


def test_what_expired_is_no_theft():
    token = new_token()
    after, _ = presented(remembered(token), token)

    assert presented(after, token, now=LATER) == (after, Use.UNKNOWN)


def test_one_device_more_forgets_the_one_that_ends_first():
    known, held = None, [new_token() for _ in range(5)]
    for number, token in enumerate(held):
        known = remembered(token, onto=known, expires_at=LATER - number, most=3)

    assert set(held_by(known)) == {digest_of(held[each]) for each in (0, 1, 4)}


def test_the_newest_device_is_remembered_even_if_it_ends_first():
    token = new_token()
    known = remembered(token, onto=remembered(new_token(), most=1), expires_at=NOW + 1, most=1)

    assert held_by(known) == [digest_of(token)]


def test_what_expired_makes_room():
    token = new_token()
    known = remembered(token, onto=remembered(new_token(), expires_at=NOW))

    assert held_by(known) == [digest_of(token)]


def test_an_exchange_that_is_taken_back_leaves_everything_as_it_was():
    first, second = tokens(2)
    before = remembered(first, onto=remembered(new_token()))
    after, _ = presented(before, first, second)

    assert give_back(after, token=second) == before


def test_only_the_last_exchange_can_be_taken_back():
    first, second, third = tokens(3)
    after, _ = presented(remembered(first), first, second)
    further, _ = presented(after, second, third)

    assert give_back(further, token=second) is further
    assert give_back(None, token=second) is None


def test_a_first_token_whose_answer_was_lost_stays_as_it_is():
    token = new_token()
    known = remembered(token)

    assert give_back(known, token=token) is known


def test_forgetting_leaves_no_empty_enrolment_behind():
    assert forget(replace(remembered(new_token()), version=7)) is None
    assert forget(None) is None


def test_forgetting_where_there_is_nothing_changes_nothing():
    known = Enrolment(uid="2", totp_secret=b"secret")

    assert forget(known) is known


def test_nothing_of_a_device_shows_its_digests():
    shown = repr(Device(name=b"its name", digest=b"digest", client="web", expires_at=1, before=b"older"))

    assert "digest=" not in shown
    assert "its name" not in shown
    assert "older" not in shown
