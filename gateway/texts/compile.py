"""Bring every catalogue up to date with the code, and compile it: `make languages`.

A new sentence is added to each .po without a translation. A sentence that the code no longer says is removed. A
language that has no .po yet gets one. Exits with 1 while a translation is missing.
"""

import ast
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from gateway.language_choice import ENGLISH
from gateway.texts import folders
from gateway.texts.folders import CATALOGUE, languages_in

PACKAGE = Path(__file__).parents[1]


def sentences() -> dict[str, list[str]]:
    """Every sentence of the API, with the files that say it."""
    found: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE.parent).as_posix()
        for text in sentences_in(ast.parse(path.read_text(encoding="utf-8"))):
            places = found.setdefault(text, [])
            if place not in places:
                places.append(place)
    return found


def sentences_in(tree: ast.AST) -> Iterator[str]:
    """The texts that are passed to `say` or `msgid`, and each class attribute `sentence`."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Call(func=ast.Name(id="msgid"), args=[ast.Constant(value=str(text)), *_])
                | ast.Call(func=ast.Attribute(attr="say"), args=[ast.Constant(value=str(text)), *_])
                | ast.Assign(targets=[ast.Name(id="sentence")], value=ast.Constant(value=str(text)))
                | ast.AnnAssign(target=ast.Name(id="sentence"), value=ast.Constant(value=str(text)))
            ):
                yield text
            case _:
                pass


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, abort_invalid=True)


def renewed(old: Catalog) -> Catalog:
    """A catalogue of the sentences in the code. Their translations are taken from *old*, where it has them."""
    new = Catalog(locale=old.locale, project="headgate", header_comment="", fuzzy=False)
    for text, places in sorted(sentences().items()):
        known = old.get(text)
        new.add(text, known.string if known else "", locations=[(place, 0) for place in places])
    return new


def write(path: Path, catalogue: Catalog) -> None:
    out = io.BytesIO()
    # Neither dates nor line numbers, so that moving code changes no catalogue.
    write_po(out, catalogue, width=120, omit_header=True, include_lineno=False)
    header = f'msgid ""\nmsgstr ""\n"Language: {catalogue.locale}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(header.encode() + out.getvalue().strip() + b"\n")


def compiled(catalogue: Catalog) -> bytes:
    # A fixed date, so that compiling again gives the same file.
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def main() -> int:
    """Renew and compile every catalogue; return how many translations are missing."""
    missing = 0
    for tag, folder in languages_in(folders.LANGUAGES).items():
        if tag == ENGLISH.tag:
            continue
        path = folder / CATALOGUE
        # gettext writes pt_BR where Drupal writes pt-br.
        old = read(path) if path.exists() else Catalog(locale=tag.replace("-", "_"))
        write(path, renewed(old))
        catalogue = read(path)
        path.with_suffix(".mo").write_bytes(compiled(catalogue))
        untranslated = [message for message in catalogue if message.id and not message.string]
        missing += len(untranslated)
        print(f"{path.relative_to(folders.LANGUAGES)}: {len(catalogue)} sentences, {len(untranslated)} to translate")
    return missing


if __name__ == "__main__":
    sys.exit(bool(main()))
