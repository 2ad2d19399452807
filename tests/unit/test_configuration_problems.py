"""Every mistake that our options can have has a sentence of our own."""

import pytest
from pydantic import ValidationError

from gateway.configuration.problems import SENTENCES, UNKNOWN, described, options_in
from gateway.options import Options
from gateway.settings import Settings

MISTAKES = [
    None,
    "",
    "no such thing",
    "x" * 5000,
    "\ud800",
    b"\xff",
    -1,
    0,
    1.5,
    "1.5",
    1e300,
    10**30,
    "9" * 5000,
    float("nan"),
    float("inf"),
    True,
    [],
    ["x"],
    [None],
    [{}],
    {},
    {"x": 1},
    {1: "x"},
    {"kind": "pigeon"},
    {"kind": 1},
    {"kind": "webhook"},
    object(),
]
# Words of pydantic's that no operator should meet.
FOREIGN = ("Input", "valid ", "instance", "Field required", "Value error", "Extra inputs", "dictionary", "URL_")


def models(options: type[Options]) -> set[type[Options]]:
    """The options and every part in them, at any depth."""
    parts = {part for field in options.model_fields.values() for part in options_in(field.annotation)}
    return {options}.union(*map(models, parts))


def errors_of(options, given):
    try:
        options.model_validate(given)
    except ValidationError as error:
        return error.errors()
    return []


@pytest.mark.parametrize(
    "options", sorted(models(Settings), key=lambda one: one.__name__), ids=lambda one: one.__name__
)
def test_no_sentence_of_pydantics_reaches_an_operator(options):
    given = [{name: mistake} for name in [*options.model_fields, "bogus"] for mistake in MISTAKES]
    found = [error for one in [*given, "text", [], 1] for error in errors_of(options, one)]

    told = {error["type"]: described(error, options)[1] for error in found}

    assert len(told) >= 3
    assert told.keys() <= SENTENCES.keys() | {"extra_forbidden", "value_error"}
    for sentence in told.values():
        assert sentence != UNKNOWN
        assert not [word for word in FOREIGN if word in sentence], sentence
