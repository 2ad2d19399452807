"""Remembered devices as plain values."""

from dataclasses import replace

import pytest

from gateway.account import Device, Enrolment
from gateway.devices import REPLACED, Use, digest_of, forget, give_back, new_token, present, remember

NOW, LATER = 1000.0, 5000.0


def remembered(token="t1", *, onto=None, client="web", expires_at=LATER, most=10):
    return remember(onto, uid="2", digest=digest_of(token), client=client, now=NOW, expires_at=expires_at, most=most)


def presented(enrolment, token, renewed="next", *, client="web", now=NOW):
    return present(enrolment, digest=digest_of(token), client=client, renewed=digest_of(renewed), now=now)


def test_a_token_is_256_random_bits_and_its_digest_half_of_that():
    assert len(new_token()) == 43
    assert new_token() != new_token()
    assert len(digest_of(new_token())) == 16


def test_a_token_works_once_and_then_the_next_one_does():
    after, use = presented(remembered(), "t1", "t2")
    again, use_again = presented(after, "t2", "t3")

    assert (use, use_again) == (Use.RENEWED, Use.RENEWED)
    [device] = again.devices
    assert device.digest == digest_of("t3")
    assert device.replaced == (digest_of("t2"), digest_of("t1"))


def test_a_device_is_remembered_no_longer_than_from_its_code_however_often_it_comes():
    after, _ = presented(remembered(), "t1", "t2", now=LATER - 1)

    assert after.devices[0].expires_at == LATER
    assert presented(after, "t2", now=LATER) == (after, Use.UNKNOWN)


def test_a_replaced_token_forgets_all_devices_of_the_user():
    two = remembered("other", onto=remembered("t1"))
    after, _ = presented(two, "t1", "t2")

    assert presented(after, "t1") == (None, Use.REPLAYED)


def test_what_else_the_user_has_enrolled_stays():
    known = replace(remembered("t1", onto=Enrolment(uid="2", totp_secret=b"secret")), last_step=7)
    after, _ = presented(known, "t1", "t2")

    forgotten, _ = presented(after, "t1")

    assert forgotten == Enrolment(uid="2", totp_secret=b"secret", last_step=7)


@pytest.mark.parametrize("token", ["never", "", "t1 ", "T1"])
def test_a_token_that_is_not_known_changes_nothing(token):
    known = remembered()

    assert presented(known, token) == (known, Use.UNKNOWN)
    assert presented(None, token) == (None, Use.UNKNOWN)


def test_a_token_means_nothing_to_another_client():
    after, _ = presented(remembered(), "t1", "t2")

    for token in ("t1", "t2"):
        assert presented(after, token, client="other") == (after, Use.UNKNOWN)


def test_what_expired_is_no_theft():
    after, _ = presented(remembered(), "t1", "t2")

    assert presented(after, "t1", now=LATER) == (after, Use.UNKNOWN)


def test_one_device_more_forgets_the_one_that_ends_first():
    known = None
    for number in range(5):
        known = remembered(f"t{number}", onto=known, expires_at=LATER - number, most=3)

    assert {device.digest for device in known.devices} == {digest_of("t0"), digest_of("t1"), digest_of("t4")}


def test_the_newest_device_is_remembered_even_if_it_ends_first():
    known = remembered("new", onto=remembered("old", most=1), expires_at=NOW + 1, most=1)

    assert [device.digest for device in known.devices] == [digest_of("new")]


def test_what_expired_makes_room():
    known = remembered("late", onto=remembered("gone", expires_at=NOW))

    assert [device.digest for device in known.devices] == [digest_of("late")]


def test_only_so_many_replaced_tokens_are_known_and_older_ones_open_nothing():
    known = remembered("t0")
    for number in range(REPLACED + 1):
        known, use = presented(known, f"t{number}", f"t{number + 1}")
        assert use is Use.RENEWED

    assert len(known.devices[0].replaced) == REPLACED
    assert presented(known, "t0") == (known, Use.UNKNOWN)
    assert presented(known, "t1") == (None, Use.REPLAYED)


def test_an_exchange_that_is_taken_back_leaves_everything_as_it_was():
    before = remembered("t1", onto=remembered("other"))
    after, _ = presented(before, "t1", "t2")

    assert give_back(after, renewed=digest_of("t2")) == before


def test_only_the_last_exchange_can_be_taken_back():
    after, _ = presented(remembered(), "t1", "t2")
    further, _ = presented(after, "t2", "t3")

    assert give_back(further, renewed=digest_of("t2")) is further
    assert give_back(None, renewed=digest_of("t2")) is None


def test_a_first_token_whose_answer_was_lost_is_held_by_nobody_and_stays_as_it_is():
    known = remembered()

    assert give_back(known, renewed=digest_of("t1")) is known


def test_forgetting_leaves_no_empty_enrolment_behind():
    assert forget(replace(remembered(), version=7)) is None
    assert forget(None) is None


def test_forgetting_where_there_is_nothing_changes_nothing():
    known = Enrolment(uid="2", totp_secret=b"secret")

    assert forget(known) is known


def test_nothing_of_a_device_shows_its_digests():
    shown = repr(Device(digest=b"digest", client="web", expires_at=1, replaced=(b"older",)))

    assert "digest=" not in shown
    assert "older" not in shown
