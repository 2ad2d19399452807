"""The breaks of `make break` still fit the code, and there is one for every promise."""

import pytest

from tests.breaks import BREAKS, ROOT


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: f"promise-{one.promise}")
def test_a_break_fits_exactly_one_place_and_names_a_test_that_exists(one):
    file, _, name = one.test.partition("::")

    assert (ROOT / one.file).read_text(encoding="utf-8").count(one.old) == 1
    assert (
        f"def {name.rpartition('::')[2]}(" in (ROOT / file).read_text(encoding="utf-8")
        if name
        else (ROOT / file).is_file()
    )


def test_every_promise_is_broken_once():
    assert sorted({one.promise for one in BREAKS}) == list(range(1, 16))
