"""What a message says, in the reader's language.

A language is a folder of templates. Everything that a client can choose reaches
them as one printable line, and HTML escapes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, get_args
from zoneinfo import ZoneInfo

from jinja2 import FileSystemLoader, StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import escape
from pydantic import AfterValidator

from gateway.delivery.browser import browser_of
from gateway.interfaces import Subject, Text
from gateway.options import Options

SUBJECTS: tuple[Subject, ...] = get_args(Subject)
FALLBACK = "en"
FOLDER = Path(__file__).parent / "templates"
# Forms kept: languages, minutes and known browsers make some hundreds.
FORMS = 512
# Noncharacters: no text that is ours or a client's can hold one.
BLANKS = {"username": "\ufdd0", "code": "\ufdd1", "asked_at": "\ufdd2"}
SAMPLE = {"username": '<Jane> & "J%s', "code": "012345", "asked_at": "2000-02-29 23:59 UTC"}


def one_line(text: str) -> str:
    """*text* without line breaks, controls, invisible marks and lone surrogates: U+FFFD stands for each."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError("not a time zone of the IANA database, like Europe/Berlin") from error
    return name


class TextOptions(Options):
    """*site* is how the site calls itself; *timezone* is where times are told.

    *subject_with_code* shows the code in a phone's list of new mail, locked or not.
    """

    site: Annotated[str, AfterValidator(one_line)] = ""
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    subject_with_code: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """What differs from message to message. *seconds* is how long the code still lives; *asked_at* since the epoch."""

    username: str = field(repr=False)
    code: str = field(default="", repr=False)
    seconds: float = 0
    asked_at: float
    browser: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Templates:
    subject: Template
    plain: Template
    html: Template

    @classmethod
    def load(cls, environment: SandboxedEnvironment, name: str) -> "_Templates":
        return cls(
            subject=environment.get_template(f"{name}.subject.j2"),
            plain=environment.get_template(f"{name}.txt.j2"),
            html=environment.get_template(f"{name}.html.j2"),
        )

    def render(self, told: Mapping[str, object]) -> Text:
        return Text(
            subject=" ".join(self.subject.render(told).split()),
            plain=self.plain.render(told),
            html=self.html.render(told),
        )


class Form:
    """The templates filled with the few values that many mails share, with blanks for the rest.

    Jinja takes five times as long as filling the blanks (measured). A template that does more with a blank than show
    it is rendered by Jinja each time.
    """

    def __init__(self, templates: _Templates, few: Mapping[str, object]) -> None:
        self._templates = templates
        self._few = few
        text = templates.render({**few, **BLANKS})
        self._subject, self._plain, self._html = (_pattern(part) for part in (text.subject, text.plain, text.html))
        self._is_plain = self._fill(SAMPLE) == templates.render({**few, **SAMPLE})

    def fill(self, rest: Mapping[str, str]) -> Text:
        """The text with *rest* in the blanks."""
        return self._fill(rest) if self._is_plain else self._templates.render({**self._few, **rest})

    def _fill(self, rest: Mapping[str, str]) -> Text:
        escaped = {name: str(escape(value)) for name, value in rest.items()}
        return Text(subject=self._subject % rest, plain=self._plain % rest, html=self._html % escaped)


def _pattern(text: str) -> str:
    text = text.replace("%", "%%")
    for name, blank in BLANKS.items():
        text = text.replace(blank, f"%({name})s")
    return text


class Texts:
    """All templates of all languages, compiled when made: a broken one stops the start, not the first login."""

    def __init__(self, options: TextOptions, *, folder: Path = FOLDER) -> None:
        self.options = options
        self._zone = ZoneInfo(options.timezone)
        environment = _environment(folder)
        self._templates = {
            (entry.name, subject): _Templates.load(environment, f"{entry.name}/{subject}")
            for entry in folder.iterdir()
            if entry.is_dir()
            for subject in SUBJECTS
        }
        self._form = lru_cache(FORMS)(self._make_form)
        for language, subject in self._templates:
            self._form(language, subject, 1, "")

    def render(self, subject: Subject, language: str, values: Values) -> Text:
        """The message *subject* in *language*, in its base language (`de` for `de-at`), or else in English."""
        # A code sent at once is told as what it was configured to; a quarter of a minute too much hurts nobody.
        minutes = max(1, int((values.seconds + 15) // 60))
        form = self._form(self._language(language, subject), subject, minutes, browser_of(values.browser))
        # The same in every language, and never mistaken for another day.
        asked_at = f"{datetime.fromtimestamp(values.asked_at, self._zone):%Y-%m-%d %H:%M %Z}"
        return form.fill({"username": one_line(values.username), "code": values.code, "asked_at": asked_at})

    def _language(self, language: str, subject: Subject) -> str:
        wanted = language.lower()
        candidates = (wanted, wanted.partition("-")[0])
        return next((found for found in candidates if (found, subject) in self._templates), FALLBACK)

    def _make_form(self, language: str, subject: Subject, minutes: int, browser: str) -> Form:
        few = {
            "minutes": minutes,
            "browser": browser,
            "site": self.options.site,
            "with_code": self.options.subject_with_code,
        }
        return Form(self._templates[language, subject], few)


def _environment(folder: Path) -> SandboxedEnvironment:
    return SandboxedEnvironment(
        loader=FileSystemLoader(folder),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
