"""How long a test goes on: the short form in `make test`, the long one in `make chaos`."""

import os
from typing import TypeVar

Form = TypeVar("Form")

LONG = os.environ.get("HEADGATE_LONG") == "1"


def form(*, short: Form, long: Form) -> Form:
    return long if LONG else short
