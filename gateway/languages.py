"""Which language somebody gets, and the API's sentences in each.

A sentence's English text is its name in every catalogue (gettext's msgid), so English needs none of its own.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from gettext import NullTranslations

# BCP 47 in lower case, as Drupal writes its langcodes.
TAG = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8}){0,7}")
LONGEST_TAG = 64
# A header is read as far as this; what a browser sends is shorter (RFC 9110 §12.5.4).
HEADER_CHARACTERS = 256
MOST_RANGES = 16
HEADERS = 256
RANGE = re.compile(
    r"\s*(?P<tag>[a-z]{1,8}(?:-[a-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The languages that there are, and the one for whoever asks for none of them."""

    known: frozenset[str]
    default: str

    def named(self, tag: str) -> str | None:
        """The language of *tag*, or of the nearest one that it is a kind of: `de` for `de-AT` (RFC 4647 §3.4)."""
        parts = tag[:LONGEST_TAG].lower().split("-")
        widening = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((wider for wider in widening if wider in self.known), None)

    def asked_for(self, header: str) -> str:
        """The language that an Accept-Language header likes best, whatever stands in it."""
        wanted, refused = ranges(header[:HEADER_CHARACTERS])
        named = (self.default if tag == "*" else self.named(tag) for tag in wanted)
        return next((found for found in named if found is not None and found not in refused), self.default)

    def of(self, preferred: str | None, header: str) -> str:
        """The language *preferred* by an account, or else the one that its browser asks for."""
        return self.named(preferred or "") or self.asked_for(header)


@lru_cache(HEADERS)
def ranges(header: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """What is wanted, best first, and what is refused (`q=0`). A part that is not a range counts for nothing."""
    parts = map(RANGE.fullmatch, header.split(",", MOST_RANGES)[:MOST_RANGES])
    found = [(float(part["weight"] or 1), part["tag"].lower()) for part in parts if part]
    wanted = sorted((one for one in found if one[0]), key=lambda one: -one[0])
    return tuple(tag for _, tag in wanted), frozenset(tag for weight, tag in found if not weight)


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """One language of the API."""

    tag: str
    catalogue: NullTranslations = field(default_factory=NullTranslations, repr=False)

    def say(self, msgid: str, **values: str) -> str:
        """The sentence *msgid* with *values* in it; in English where the catalogue has none."""
        text = self.catalogue.gettext(msgid)
        return text.format(**values) if values else text


ENGLISH = Language(tag="en")


def msgid(text: str) -> str:
    """Marks a sentence that is said elsewhere, so that it gets into the catalogues."""
    return text
