"""What docs/events.md says of each event: its levels, and the fields that it has."""

import re
from dataclasses import dataclass

from tests.unit.test_docs import rows_of, text_of

PAGE = "docs/events.md"
OUTCOME = "ENDPOINT."
# What the lines of one request have in common, as far as it is known by then.
BOUND = frozenset({"request_id", "client", "account", "uid", "method", "action"})
# Of an outcome alone, and only if Drupal was asked.
ASKED = frozenset({"drupal_ms"})
# What an outcome has of its own; a bug has no reason but a place.
ANSWERED = {"address", "took_ms"}
REFUSED = ANSWERED | {"reason"}
OUTCOMES = {
    "ok": ANSWERED,
    "client_gone": ANSWERED,
    "internal": ANSWERED | {"error", "where"},
    "wrong_otp": REFUSED | {"attempts_left"},
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the page says of one event; *fields* are those of its own."""

    levels: frozenset[str]
    fields: frozenset[str]


def documented() -> dict[str, Row]:
    """Every event by its name; an outcome's is `ENDPOINT.WORD`."""
    text = text_of(PAGE)
    # What stands in brackets are the values of a field.
    of_each_message = named(
        re.sub(r"\([^)]*\)", "", re.search(r"about one message have (.*?)\.\n", text, re.DOTALL)[1])
    )
    header: list[str] = []
    found = {}
    for row in rows_of(text):
        if row[0] == "event":
            header = row
        name = row[0].strip("`")
        if not re.fullmatch(r"`[\w.]+\.\w+`", row[0]):
            continue
        if name.startswith(OUTCOME):
            fields = frozenset(OUTCOMES.get(name.removeprefix(OUTCOME), REFUSED))
        else:
            fields = named(row[2]) | (of_each_message if is_one_of_many(header, row) else frozenset())
        found[name] = Row(levels=frozenset(row[1].split(", ")), fields=fields)
    return found


def named(cell: str) -> frozenset[str]:
    return frozenset(re.findall(r"`(\w+)`", cell))


def is_one_of_many(header: list[str], row: list[str]) -> bool:
    return header[2] == "more fields" and "only" not in row[2] and row[0] != "`channel.console`"
