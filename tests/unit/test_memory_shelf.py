"""A bounded dict whose entries expire."""

import pytest

from gateway.errors import StoreUnavailable
from gateway.store.memory.shelf import MOST_LEFT, Shelf


@pytest.fixture
def shelf() -> Shelf[str]:
    return Shelf(most=2)


def test_a_value_is_there_until_its_time(shelf):
    shelf.put("a", "value", until=10, now=0)

    assert shelf.get("a", now=9.9) == "value"
    assert shelf.get("a", now=10) is None


def test_a_full_shelf_refuses_and_keeps_what_it_has(shelf):
    shelf.put("a", "1", until=10, now=0)
    shelf.put("b", "2", until=10, now=0)

    with pytest.raises(StoreUnavailable):
        shelf.put("c", "3", until=10, now=1)
    shelf.put("a", "4", until=10, now=1)
    assert shelf.get("a", now=1) == "4"


def test_what_expired_makes_room(shelf):
    shelf.put("a", "1", until=5, now=0)
    shelf.put("b", "2", until=10, now=0)

    shelf.put("c", "3", until=10, now=5)

    assert len(shelf) == 2


def test_what_was_prolonged_stays(shelf):
    shelf.put("a", "1", until=5, now=0)
    shelf.put("a", "2", until=50, now=0)

    shelf.purge(now=10)
    assert shelf.get("a", now=10) == "2"
    shelf.purge(now=50)
    assert len(shelf) == 0


def test_what_was_shortened_is_gone_in_its_time(shelf):
    shelf.put("a", "1", until=50, now=0)
    shelf.put("a", "2", until=5, now=0)

    assert shelf.get("a", now=5) is None


def test_what_was_dropped_and_put_again_is_kept(shelf):
    shelf.put("a", "1", until=5, now=0)
    shelf.drop("a")
    shelf.drop("a")
    shelf.put("a", "2", until=50, now=0)

    shelf.purge(now=10)

    assert shelf.get("a", now=10) == "2"


def test_changing_one_often_does_not_grow_it(shelf):
    for each in range(1000):
        shelf.put("a", str(each), until=10_000 + each, now=each)

    assert len(shelf._queue) == 1


def test_dropping_many_does_not_grow_it_and_what_stays_still_expires(shelf):
    shelf.put("a", "1", until=5, now=0)
    for each in range(10 * MOST_LEFT):
        shelf.put(str(each), "2", until=10_000, now=0)
        shelf.drop(str(each))

    assert len(shelf._queue) <= 2 * len(shelf) + MOST_LEFT
    shelf.purge(now=5)
    assert len(shelf) == 0
