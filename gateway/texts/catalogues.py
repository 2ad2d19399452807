"""The API's sentences in each language, read from the catalogues beside this file.

Every language is one folder: the catalogue of the API's sentences under `LC_MESSAGES`, and the templates of its
messages. A sentence's English text is its name in every catalogue (gettext's msgid), so English needs no catalogue.
"""

from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from string import Formatter

from gateway.languages import ENGLISH, HEADER_CHARACTERS, HEADERS, TAG, Choice, Language

TEXTS = Path(__file__).parent
CATALOGUE = Path("LC_MESSAGES/headgate")


class Languages:
    """Every language of the API: those that come along, and those in an operator's *folder*, which win."""

    def __init__(self, *, default: str = ENGLISH.tag, folder: Path | None = None) -> None:
        found: dict[str, NullTranslations] = {ENGLISH.tag: ENGLISH.catalogue}
        found |= {tag: shipped(path) for tag, path in languages_in(TEXTS).items() if tag != ENGLISH.tag}
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


def languages_in(folder: Path) -> dict[str, Path]:
    """The languages that have a folder in *folder*. Raises ValueError for one that is not named like a language."""
    # A mounted ConfigMap has folders of its own, which begin with a dot; Python keeps __pycache__ beside the code.
    found = {
        path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))
    }
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
