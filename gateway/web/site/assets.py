"""The files that the code page loads: its own, and those of the operator's `texts.folder`.

    code.css  code.js                 ours
    challenge.css                     the operator's, loaded after ours
    challenge.svg or challenge.png    a logo above the form
    challenge.footer.html             below the form: plain HTML; one in a language's folder is for that language

All are read at start. A path holds the digest of its file, so that a browser keeps a file until it changes.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from markupsafe import Markup

TEMPLATES: Final = Path(__file__).parent / "templates"
PATH: Final = "/headless/challenge/"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}
_FOOTER: Final = "challenge.footer.html"
_LOGOS: Final = ("challenge.svg", "challenge.png")
# The limit of one file, since everybody who logs in loads these files.
_MOST_BYTES: Final = 256 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """One file; *name* is the last part of its path."""

    name: str
    content_type: str
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        return PATH + self.name


class Assets:
    """The files by their names. Raises ValueError for a file of the operator's that is too large or can't be read."""

    def __init__(self, folder: Path | None) -> None:
        self.style = _read(TEMPLATES / "code.css")
        self.script = _read(TEMPLATES / "code.js")
        self.theme = _optional(folder, "challenge.css")
        self.logo = next((logo for name in _LOGOS if (logo := _optional(folder, name))), None)
        self._footers = _footers(folder) if folder else {}
        found = (self.style, self.script, self.theme, self.logo)
        self._by_name = {asset.name: asset for asset in found if asset is not None}

    def named(self, name: str) -> Asset | None:
        return self._by_name.get(name)

    def footer(self, language: str) -> Markup:
        """The operator's own HTML for *language*, or that for every language."""
        return self._footers.get(language) or self._footers.get("") or Markup("")


def _optional(folder: Path | None, name: str) -> Asset | None:
    return _read(folder / name) if folder and (folder / name).is_file() else None


def _footers(folder: Path) -> dict[str, Markup]:
    """The footers by language. The footer for every language stands under an empty key."""
    paths = {"": folder / _FOOTER} | {path.parent.name: path for path in sorted(folder.glob(f"*/{_FOOTER}"))}
    # The operator wrote it. The page's Content-Security-Policy lets it run nothing and load nothing from elsewhere.
    return {tag: Markup(_content(path).decode("utf-8", "replace")) for tag, path in paths.items() if path.is_file()}  # noqa: S704


def _read(path: Path) -> Asset:
    body = _content(path)
    digest = sha256(body).hexdigest()[:16]
    return Asset(name=f"{path.stem}.{digest}{path.suffix}", content_type=_TYPES[path.suffix], body=body)


def _content(path: Path) -> bytes:
    try:
        body = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path.name}: can't be read") from error
    if len(body) > _MOST_BYTES:
        raise ValueError(f"{path.name}: is larger than {_MOST_BYTES // 1024} KiB")
    return body
