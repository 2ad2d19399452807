"""docs/security.md: every promise has its proofs and its break, and every test that is named exists."""

import ast
import re
from pathlib import Path

import pytest

from tests.breaks import BREAKS
from tests.unit.test_docs import rows_of, section_of, text_of

TESTS = Path(__file__).parents[1]
PROMISES = range(1, 16)


def page(heading):
    return rows_of(section_of(text_of("docs/security.md"), heading))


def proofs():
    """Promise → the tests that are named for it, and how it is broken."""
    rows = [row for row in page("### Proofs") if row[0].isdecimal()]
    return {int(promise): (re.findall(r"`([^`]+)`", tests), broken) for promise, tests, broken in rows}


PROOFS = proofs()


def has(path, names):
    """Whether the module at *path* has a test of that name, in the class that is named before it if there is one."""
    inside = ast.parse(path.read_text(encoding="utf-8")).body
    for name in names:
        found = [node for node in inside if getattr(node, "name", None) == name]
        if not found:
            return False
        inside = found[0].body
    return True


def test_every_promise_is_told_and_proven():
    told = [int(row[0]) for row in page("## Promises") if row[0].isdecimal() and len(row) > 3]

    assert told == list(PROMISES)
    assert list(PROOFS) == list(PROMISES)


@pytest.mark.parametrize("promise", PROMISES)
def test_every_test_that_proves_it_exists(promise):
    tests, _ = PROOFS[promise]

    assert len(tests) >= 2
    for test in tests:
        file, *names = test.split("::")
        assert names, test
        assert names[-1].startswith("test_"), test
        assert has(TESTS / file, names), test


@pytest.mark.parametrize("one", BREAKS, ids=lambda one: one.says)
def test_every_break_is_told_with_its_test(one):
    tests, broken = PROOFS[one.promise]

    assert one.says in broken
    assert one.test.removeprefix("tests/") in tests


def test_no_break_is_told_that_is_not_made():
    assert {says for _, broken in PROOFS.values() for says in broken.split("<br>")} == {one.says for one in BREAKS}
