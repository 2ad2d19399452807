"""Brings the catalogues up to what the code says, and compiles them: `make languages`.

A sentence that is new stands in each .po without a translation, one that is gone is taken out.
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

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "gateway" / "texts"


def sentences() -> dict[str, list[str]]:
    """Every sentence of the API with the files that say it."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "gateway").rglob("*.py")):
        for text in said_in(ast.parse(path.read_text(encoding="utf-8"))):
            places = found.setdefault(text, [])
            if (place := path.relative_to(ROOT).as_posix()) not in places:
                places.append(place)
    return found


def said_in(tree: ast.AST) -> Iterator[str]:
    """What is given to `say` or `msgid`, and what an error's class calls its sentence."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Call(func=ast.Name(id="msgid"), args=[ast.Constant(value=str(text)), *_])
                | ast.Call(func=ast.Attribute(attr="say"), args=[ast.Constant(value=str(text)), *_])
                | ast.Assign(targets=[ast.Name(id="sentence")], value=ast.Constant(value=str(text)))
                | ast.AnnAssign(target=ast.Name(id="sentence"), value=ast.Constant(value=str(text)))
            ):
                yield text


def said_in_english_only(tree: ast.AST) -> Iterator[str]:
    """A `message` that is written down where it should be said."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "message" and isinstance(value, ast.Constant):
                    yield str(value.value)


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, abort_invalid=True)


def compiled(catalogue: Catalog) -> bytes:
    # Otherwise each compilation would be another file.
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def renewed(path: Path) -> Catalog:
    """The catalogue at *path*, with the sentences that there are now."""
    old = read(path)
    new = Catalog(locale=old.locale, project="headgate", header_comment="", fuzzy=False)
    for text, places in sorted(sentences().items()):
        known = old.get(text)
        new.add(text, known.string if known else "", locations=[(place, None) for place in places])
    return new


def write(path: Path, catalogue: Catalog) -> None:
    out = io.BytesIO()
    # Neither dates nor line numbers: a change of the code alone changes no catalogue.
    write_po(out, catalogue, width=120, omit_header=True, include_lineno=False)
    header = f'msgid ""\nmsgstr ""\n"Language: {catalogue.locale}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    path.write_bytes(header.encode() + out.getvalue().strip() + b"\n")


def main() -> None:
    missing = 0
    for path in sorted(LOCALE.glob("*/LC_MESSAGES/headgate.po")):
        write(path, renewed(path))
        catalogue = read(path)
        path.with_suffix(".mo").write_bytes(compiled(catalogue))
        untranslated = [str(message.id) for message in catalogue if message.id and not message.string]
        missing += len(untranslated)
        print(f"{path.relative_to(ROOT)}: {len(catalogue)} sentences, {len(untranslated)} to translate")
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()
