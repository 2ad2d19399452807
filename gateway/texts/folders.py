"""The folders of the languages: one for each language, with its templates and its catalogue."""

from pathlib import Path

from gateway.language_choice import TAG

LANGUAGES = Path(__file__).parent / "languages"
CATALOGUE = Path("LC_MESSAGES/headgate.po")


def languages_in(folder: Path) -> dict[str, Path]:
    """The folder of each language in *folder*. Raises ValueError for a folder whose name is not a language."""
    # A mounted ConfigMap has folders whose names begin with a dot.
    found = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")}
    for name in found:
        if not TAG.fullmatch(name):
            raise ValueError(f"{name}: a folder is named like a language, in lower case: de, pt-br")
    return found


def search_path(folder: Path | None) -> tuple[Path, ...]:
    """Where to look for a file: in the operator's *folder* first."""
    return (folder, LANGUAGES) if folder else (LANGUAGES,)


def tags(folder: Path | None) -> frozenset[str]:
    """The languages that have a folder of ours, or one in the operator's *folder*."""
    return frozenset(tag for place in search_path(folder) for tag in languages_in(place))
