"""Which language somebody gets, and the API's sentences in each.

A sentence's English text is its name in every catalogue (gettext's msgid), so English needs none of its own.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from string import Formatter

LOCALE = Path(__file__).parent / "locale"
CATALOGUE = Path("LC_MESSAGES/headgate")
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


class Languages:
    """Every language of the API: those that come along, and those in an operator's *folder*, which win."""

    def __init__(self, *, default: str = ENGLISH.tag, folder: Path | None = None) -> None:
        found: dict[str, NullTranslations] = {ENGLISH.tag: ENGLISH.catalogue}
        found |= {tag: shipped(path) for tag, path in languages_in(LOCALE).items()}
        for tag, path in languages_in(folder).items() if folder else ():
            if (path / CATALOGUE.with_suffix(".po")).exists():
                own = compiled(path / CATALOGUE.with_suffix(".po"))
                own.add_fallback(found.get(tag, ENGLISH.catalogue))
                found[tag] = own
        self._languages = {tag: Language(tag=tag, catalogue=catalogue) for tag, catalogue in found.items()}
        known = frozenset(found)
        choice = Choice(known=known, default=ENGLISH.tag)
        self._choice = Choice(known=known, default=choice.named(default) or ENGLISH.tag)
        # Asked at every request, and browsers send few different ones.
        self._found = lru_cache(HEADERS)(self._find)

    def asked_for(self, header: str) -> Language:
        """The language that an Accept-Language header likes best."""
        return self._found(header[:HEADER_CHARACTERS])

    def _find(self, header: str) -> Language:
        return self._languages[self._choice.asked_for(header)]


def msgid(text: str) -> str:
    """Marks a sentence that is said elsewhere, so that it gets into the catalogues."""
    return text


def languages_in(folder: Path) -> dict[str, Path]:
    """The languages that have a folder in *folder*. Raises ValueError for one that is not named like a language."""
    # A mounted ConfigMap has folders of its own, which begin with a dot.
    found = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")}
    for name in found:
        if not TAG.fullmatch(name):
            raise ValueError(f"{name}: a folder is named like a language, in lower case: de, pt-br")
    return found


def shipped(folder: Path) -> NullTranslations:
    """A catalogue that came along, compiled before, so that nobody waits for it at start."""
    with (folder / CATALOGUE.with_suffix(".mo")).open("rb") as file:
        return GNUTranslations(file)


def compiled(path: Path) -> NullTranslations:
    """What a .po says. Raises ValueError, with its name, for one that is broken."""
    # 60 ms (measured), which only whoever has such a file pays.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import PoFileError, read_po

    name = path.relative_to(path.parents[2])
    try:
        with path.open("rb") as file:
            catalogue = read_po(file, abort_invalid=True)
        wrong = next((message for message in catalogue if not is_whole(str(message.id), str(message.string))), None)
    except (OSError, PoFileError, ValueError) as error:
        raise ValueError(f"{name}: can't be read as a catalogue") from error
    if wrong:
        raise ValueError(f"{name}, line {wrong.lineno}: the names in braces must be those of the English text")
    ready = BytesIO()
    write_mo(ready, catalogue)
    ready.seek(0)
    return GNUTranslations(ready)


def is_whole(text: str, translated: str) -> bool:
    """Whether a translation shows what its English *text* shows, no more and no less."""
    wanted = fields_of(text)
    try:
        return not translated or not wanted or fields_of(translated) == wanted
    except ValueError:
        return False


def fields_of(text: str) -> set[tuple[str, str | None, str | None]]:
    return {(name, form, conversion) for _, name, form, conversion in Formatter().parse(text) if name is not None}
