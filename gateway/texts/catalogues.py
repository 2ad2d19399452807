"""The API's sentences in each language.

The English sentence is the key in every catalogue (gettext's msgid), so English needs no catalogue. Our catalogues are
compiled by `make languages`. The operator's are compiled at start.
"""

from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from string import Formatter

from gateway.language_choice import ENGLISH, HEADER_CHARACTERS, HEADERS, Choice, Language
from gateway.texts import folders
from gateway.texts.folders import CATALOGUE, languages_in


class Languages:
    """Every language of the API. The operator's *folder* adds languages, and its sentences are used instead of ours."""

    def __init__(self, *, default: str = ENGLISH.tag, folder: Path | None = None) -> None:
        found: dict[str, NullTranslations] = {ENGLISH.tag: ENGLISH.catalogue}
        found |= {tag: shipped(path) for tag, path in languages_in(folders.LANGUAGES).items() if tag != ENGLISH.tag}
        for tag, path in languages_in(folder).items() if folder else ():
            if (path / CATALOGUE).exists():
                own = compiled(path / CATALOGUE)
                own.add_fallback(found.get(tag, ENGLISH.catalogue))
                found[tag] = own
        self._languages = {tag: Language(tag=tag, catalogue=catalogue) for tag, catalogue in found.items()}
        known = frozenset(found)
        choice = Choice(known=known, default=ENGLISH.tag)
        self._choice = Choice(known=known, default=choice.named(default) or ENGLISH.tag)
        # Cached: every request asks for its language, and browsers send few different headers.
        self._found = lru_cache(HEADERS)(self._find)

    def asked_for(self, header: str) -> Language:
        """The language that an Accept-Language header prefers."""
        return self._found(header[:HEADER_CHARACTERS])

    def _find(self, header: str) -> Language:
        return self._languages[self._choice.asked_for(header)]


def shipped(folder: Path) -> NullTranslations:
    """The compiled catalogue of one of our languages."""
    with (folder / CATALOGUE.with_suffix(".mo")).open("rb") as file:
        return GNUTranslations(file)


def compiled(path: Path) -> NullTranslations:
    """The operator's catalogue at *path*. Raises ValueError, with the name of the file, when it is broken."""
    # The import takes 60 ms (measured), so only a gateway with such a file pays for it.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import PoFileError, read_po

    name = path.relative_to(path.parents[2])
    try:
        with path.open("rb") as file:
            catalogue = read_po(file, abort_invalid=True)
        wrong = next((message for message in catalogue if not same_fields(str(message.id), str(message.string))), None)
    except (OSError, PoFileError, ValueError) as error:
        raise ValueError(f"{name}: can't be read as a catalogue") from error
    if wrong:
        raise ValueError(f"{name}, line {wrong.lineno}: the names in braces must be those of the English text")
    ready = BytesIO()
    write_mo(ready, catalogue)
    ready.seek(0)
    return GNUTranslations(ready)


def same_fields(text: str, translated: str) -> bool:
    """Whether a translation has the same fields in braces as the English *text*. An empty one has nothing to check."""
    wanted = fields_of(text)
    try:
        return not translated or not wanted or fields_of(translated) == wanted
    except ValueError:
        return False


def fields_of(text: str) -> set[tuple[str, str | None, str | None]]:
    return {(name, form, conversion) for _, name, form, conversion in Formatter().parse(text) if name is not None}
