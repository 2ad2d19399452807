"""Turns pydantic's errors into keys and sentences of our own (promise 15).

No sentence of pydantic's reaches an operator: it may repeat the value, which may be a secret, and it speaks of Python.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from gateway.options import Options, Unusable, UnusableSecret, is_secret

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# By pydantic's error type. What stands in braces is a bound or a choice of ours, never the value.
SENTENCES = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "finite_number": "must be a number that is not infinite",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_type": "must be a whole number",
    "invalid_key": "has a key that is not text",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be one of {expected}",
    "missing": "is required",
    "model_attributes_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
    "path_type": "must be a path",
    "string_pattern_mismatch": "does not have the form that config/gateway.yaml shows",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_type": "must be text; put it in quotes",
    "string_unicode": "must be text in UTF-8",
    "too_short": "must have at least {min_length} entries",
    "tuple_type": "must be a list",
    "union_tag_invalid": "unknown kind; must be one of {expected_tags}",
    "union_tag_not_found": "needs a kind",
}
# The sentence for a type that the table lacks. A test makes every mistake that our options can have, and never gets
# this sentence.
UNKNOWN = "can't be used"


def described(error: "ErrorDetails", root: type[Options]) -> tuple[str, str]:
    """Turn one of pydantic's errors into a key and a sentence. The value is looked at, but never shown."""
    key = ".".join(str(part) for part in keys_of(error["loc"], root)) or "configuration"
    given = error["input"]
    if isinstance(given, UnusableSecret):
        return f"{key}_file", given.reason
    if isinstance(given, Unusable):
        return key, given.reason
    if error["type"] == "extra_forbidden":
        return key, f"unknown key{did_you_mean(error['loc'], root)}"
    if error["type"].startswith("union_tag"):
        return f"{key}.kind", sentence(error)
    if error["type"] == "value_error":
        # Raised by our own validators, which repeat no value.
        return key, error["msg"].removeprefix("Value error, ")
    return key, sentence(error)


def sentence(error: "ErrorDetails") -> str:
    context: Mapping[str, Any] = error.get("ctx", {})
    return SENTENCES.get(error["type"], UNKNOWN).format_map(
        {name: str(value).replace("'", "").replace(" or ", ", ") for name, value in context.items()}
    )


def did_you_mean(loc: Sequence[int | str], root: type[Options]) -> str:
    """Return the end of a sentence that names the key that is most like the unknown one; empty without such a key."""
    [*parents, unknown] = loc
    known = {name for options in options_at(parents, root) for name in names_in(options)}
    return "".join(f"; did you mean {match}?" for match in get_close_matches(str(unknown), sorted(known), n=1))


def names_in(options: type[Options]) -> Iterator[str]:
    for name, field in options.model_fields.items():
        yield name
        if is_secret(field.annotation):
            yield f"{name}_file"


def options_at(loc: Sequence[int | str], root: type[Options]) -> list[type[Options]]:
    """Return the options that *loc* leads to: one, or the members of a union."""
    found = [root]
    for part in loc:
        fields = [field for options in found if (field := options.model_fields.get(str(part)))]
        if fields:
            found = [options for field in fields for options in options_in(field.annotation)]
        elif isinstance(part, str):
            # *part* is no key. It is the `kind` of a union's member, which pydantic puts between the keys.
            found = [options for options in found if part in kinds_of(options)]
    return found


def kinds_of(options: type[Options]) -> tuple[str, ...]:
    kind = options.model_fields.get("kind")
    return get_args(kind.annotation) if kind else ()


def keys_of(loc: Sequence[int | str], root: type[Options]) -> list[int | str]:
    """Return the keys that lead to *loc*, without the kinds that pydantic puts between them.

    An outermost key is never a kind, although `webhook` is the name of both.
    """
    return [*loc[:1], *(part for part in loc[1:] if part not in kinds_in(root))]


@cache
def kinds_in(options: type[Options]) -> frozenset[str]:
    """Return every `kind` that chooses a member of a union in *options*, at any depth."""
    kinds = frozenset[str]()
    for field in options.model_fields.values():
        members = options_in(field.annotation)
        if len(members) > 1:
            kinds = kinds.union(*map(kinds_of, members))
        kinds = kinds.union(*map(kinds_in, members))
    return kinds


def options_in(annotation: object) -> list[type[Options]]:
    """Return the options that an annotation names: one, or the members of a union."""
    if isinstance(annotation, type) and issubclass(annotation, Options):
        return [annotation]
    return [options for part in get_args(annotation) for options in options_in(part)]
