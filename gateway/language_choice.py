"""Chooses the user's language, and says the API's sentences in it.

The English text of a sentence is its msgid in every gettext catalogue, so English needs no catalogue.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from gettext import NullTranslations

# BCP 47 in lower case, as Drupal writes its langcodes.
TAG = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8}){0,7}")
LONGEST_TAG = 64
# Only this much of a header is read. Browsers send less (RFC 9110 §12.5.4).
HEADER_CHARACTERS = 256
MOST_RANGES = 16
HEADERS = 256
# Languages that are written from right to left.
# By hand: babel knows the direction of every language, but its import takes 60 ms (measured), and every gateway would
# pay for it at start.
RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
RANGE = re.compile(
    r"\s*(?P<tag>[a-z]{1,8}(?:-[a-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The languages that exist, and the default for a request that asks for none of them."""

    known: frozenset[str]
    default: str

    def named(self, tag: str) -> str | None:
        """Return the language of *tag*, or the nearest one that includes it: `de` for `de-AT` (RFC 4647 §3.4)."""
        parts = tag[:LONGEST_TAG].lower().split("-")
        widening = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((wider for wider in widening if wider in self.known), None)

    def asked_for(self, header: str) -> str:
        """Return the language that an Accept-Language header prefers. Any text is allowed."""
        wanted, refused = ranges(header[:HEADER_CHARACTERS])
        named = (self.default if tag == "*" else self.named(tag) for tag in wanted)
        return next((found for found in named if found is not None and found not in refused), self.default)

    def of(self, preferred: str | None, header: str) -> str:
        """Return the account's *preferred* language, or else the one that the browser's *header* asks for."""
        return self.named(preferred or "") or self.asked_for(header)


@lru_cache(HEADERS)
def ranges(header: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the wanted tags, best first, and the refused ones (`q=0`). A part that is no range is skipped."""
    parts = map(RANGE.fullmatch, header.split(",", MOST_RANGES)[:MOST_RANGES])
    found = [(float(part["weight"] or 1), part["tag"].lower()) for part in parts if part]
    wanted = sorted((one for one in found if one[0]), key=lambda one: -one[0])
    return tuple(tag for _, tag in wanted), frozenset(tag for weight, tag in found if not weight)


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """One language of the API."""

    tag: str
    catalogue: NullTranslations = field(default_factory=NullTranslations, repr=False)

    @property
    def direction(self) -> str:
        """`rtl` or `ltr`, as HTML writes it."""
        return "rtl" if self.tag.partition("-")[0] in RIGHT_TO_LEFT else "ltr"

    def say(self, msgid: str, **values: str) -> str:
        """Return the sentence *msgid* with *values* filled in; in English if the catalogue has none."""
        text = self.catalogue.gettext(msgid)
        return text.format(**values) if values else text


ENGLISH = Language(tag="en")


def msgid(text: str) -> str:
    """Mark a sentence that is used elsewhere, so that the catalogues get it."""
    return text
