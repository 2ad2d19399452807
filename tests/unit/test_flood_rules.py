"""When a limit refuses."""

from dataclasses import replace

import pytest

from gateway.limit import BEYOND, Limit, held, judge, taken

WINDOW = Limit(name="address", key="a", most=2, seconds=60)
WAIT = replace(WINDOW, wait_first=30, wait_most=900, seconds=3600)
LOCK = replace(WINDOW, until_unlocked=True)


def test_a_window_waits_for_its_oldest_taking_to_be_over():
    assert judge(WINDOW, [105.0, 100.0], 110.0) == 50


def test_takings_that_are_over_do_not_count():
    assert held(WINDOW, [105.0, 100.0], 160.0) == [105.0]


@pytest.mark.parametrize(("count", "wait"), [(1, None), (2, 30), (3, 60), (4, 120), (6, 480), (7, 900), (60, 900)])
def test_a_wait_doubles(count, wait):
    assert judge(WAIT, [100.0] * count, 100.0) == wait


def test_a_wait_that_is_over_allows_one_more():
    assert judge(WAIT, [100.0] * 2, 130.0) is None


def test_a_full_lock_forgets_nothing():
    assert judge(LOCK, held(LOCK, [105.0, 100.0], 1e9), 1e9) == LOCK.seconds


def test_a_limit_of_none_always_refuses():
    assert judge(replace(WINDOW, most=0), [], 1.0) == WINDOW.seconds


def test_what_is_remembered_is_bounded():
    takings = []
    for each in range(1000):
        takings = taken(WAIT, takings, float(each))

    assert len(takings) == WAIT.most + BEYOND
    assert takings[0] == 999
