"""The breaks of `make break` still fit the code, and there is one for every promise."""

import ast
from dataclasses import replace

import pytest

from tests.breaks import ALL, BREAKS, ROOT, Misfit, broken, verdict

MODULE = """
ONE = "return 1"

class Box:
    def get(self):
        def inner():
            return 1

        return 2

    def more(self):
        return 1

async def get():
    return 1
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "gateway" / "box").mkdir(parents=True)
    (tmp_path / "gateway" / "box" / "__init__.py").write_text(MODULE)
    return tmp_path


def returning(function, old="return 1"):
    return replace(BREAKS[0], function=function, old=old, new="return 7")


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.says)
def test_a_break_fits_exactly_one_place_and_names_a_test_that_exists(one):
    file, _, name = one.test.partition("::")
    path, text = broken(one, ROOT)

    assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(path.read_text(encoding="utf-8")))
    assert f"def {name.rpartition('::')[2]}(" in (ROOT / file).read_text(encoding="utf-8")


def test_every_promise_is_broken_once():
    assert sorted({one.promise for one in BREAKS}) == list(range(1, 16))


@pytest.mark.parametrize(
    ("name", "line"), [("Box.get", 6), ("Box.get.inner", 6), ("Box.more", 11), ("get", 14)], ids=str
)
def test_only_the_function_that_is_named_is_broken(root, name, line):
    _, text = broken(returning(f"gateway.box.{name}"), root)

    assert [number for number, each in enumerate(text.split("\n")) if "return 7" in each] == [line]
    assert text.replace("return 7", "return 1") == MODULE


@pytest.mark.parametrize(
    ("function", "old"),
    [
        ("gateway.nowhere.get", "return 1"),
        ("gateway.box.nothing", "return 1"),
        ("gateway.box.Box.nothing", "return 1"),
        ("gateway.box.get", "return 2"),
        ("gateway.box.Box.get", "return"),
    ],
)
def test_a_break_whose_function_or_text_is_not_there_once_is_an_error(root, function, old):
    with pytest.raises(Misfit):
        broken(returning(function, old), root)


def test_such_a_break_is_said_to_be_an_error():
    red, said = verdict(returning("gateway.transaction.Transaction.nothing"))

    assert not red
    assert "error: there is no nothing of Transaction.nothing" in said
