"""The newest versions of open logins: remembered while a login lives, and never without a bound."""

from gateway.store.redis.newest import NewestVersions


def test_an_older_version_is_told_from_the_newest():
    newest = NewestVersions()
    newest.note("login", 3, until=10, now=0)
    newest.note("login", 2, until=10, now=0)

    assert [newest.has_newer("login", version) for version in (2, 3, 4)] == [True, False, False]
    assert not newest.has_newer("another", 0)


def test_what_has_expired_is_forgotten():
    newest = NewestVersions()
    for number in range(100):
        newest.note(f"login {number}", 1, until=number + 5, now=number)

    assert len(newest) == 5


def test_a_login_that_is_over_when_it_is_noted_is_not_kept():
    newest = NewestVersions()
    newest.note("login", 1, until=5, now=5)

    assert len(newest) == 0


def test_without_capacity_the_one_that_changed_longest_ago_is_forgotten():
    newest = NewestVersions(most=2)
    for key in ("first", "second", "first", "third"):
        newest.note(key, 1, until=10, now=0)

    assert [key for key in ("first", "second", "third") if newest.has_newer(key, 0)] == ["first", "third"]


def test_a_login_that_never_changed_takes_no_memory():
    newest = NewestVersions()
    newest.note("login", 0, until=10, now=0)

    assert len(newest) == 0
