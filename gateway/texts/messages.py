"""What a message says, in the reader's language.

A language is a folder of templates, for each medium its own. Everything that a client can choose reaches
them as one printable line, and HTML escapes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import idna
from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import escape
from pydantic import AfterValidator, ValidationInfo, field_validator

from gateway.interfaces import Subject, Text
from gateway.languages import Choice
from gateway.options import Options
from gateway.texts.browser import browser_of
from gateway.texts.catalogues import TEXTS, Languages, languages_in
from gateway.texts.sms_length import fits_one

Medium = Literal["mail", "sms", "voice"]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)
# What each medium is made of: `code.sms.j2`, `code.subject.j2`, …
PARTS: Mapping[Medium, tuple[str, ...]] = {"mail": ("subject", "txt", "html"), "sms": ("sms",), "voice": ("voice",)}
# What a channel carries.
MEDIA: Mapping[str, Medium] = {"email": "mail", "sms": "sms", "whatsapp": "sms", "voice": "voice"}
# Notices are mails: a code alone goes by phone.
MESSAGES: tuple[tuple[Subject, Medium], ...] = (
    *(("code", medium) for medium in PARTS),
    *((subject, "mail") for subject in SUBJECTS if subject != "code"),
)
# Forms kept: languages, minutes and known browsers make some hundreds.
FORMS = 512
# Noncharacters: no text that is ours or a client's can hold one.
BLANKS = {"username": "\ufdd0", "code": "\ufdd1", "asked_at": "\ufdd2", "spoken": "\ufdd3"}
# As long as a code can be: what fits with it fits with every code.
SAMPLE = {
    "username": '<Jane> & "J%s',
    "code": "01234567",
    "asked_at": "2000-02-29 23:59 UTC",
    "spoken": "0, 1, 2, 3, 4, 5, 6, 7",
}


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

    *subject_with_code* shows the code in a phone's list of new mail, locked or not. What stands in *folder* goes before
    what comes along; *default_language* is for whoever neither has one nor asks for one.
    """

    site: Annotated[str, AfterValidator(one_line)] = ""
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    subject_with_code: bool = False
    folder: Path | None = None
    default_language: str = "en"

    @field_validator("folder")
    @classmethod
    def _is_whole(cls, folder: Path | None) -> Path | None:
        if folder is not None:
            check(folder)
        return folder

    @field_validator("default_language")
    @classmethod
    def _is_there(cls, language: str, info: ValidationInfo) -> str:
        known = tags(info.data.get("folder"))
        if language not in known:
            raise ValueError(f"must be one of {', '.join(sorted(known))}")
        return language


def tags(folder: Path | None) -> frozenset[str]:
    """The languages that there are templates of."""
    return frozenset(languages_in(TEXTS)) | frozenset(languages_in(folder) if folder else ())


def check(folder: Path) -> None:
    """Raise ValueError that names each file which is missing or broken with *folder* before what comes along."""
    try:
        languages = sorted(tags(folder))
        Languages(folder=folder)
    except OSError as error:
        raise ValueError("is not a folder that can be read") from error
    environment = _environment(folder)
    # Also those that come along: they are built on a layout, which may stand in the folder.
    names = [
        f"{language}/{subject}.{part}.j2"
        for language in languages
        for subject, medium in MESSAGES
        for part in PARTS[medium]
    ]
    problems = [f"{name}{why}" for name in names if (why := _why_unusable(environment, name))]
    if problems:
        raise ValueError("; ".join(problems))


def _why_unusable(environment: SandboxedEnvironment, name: str) -> str:
    """What is wrong with a template, or nothing."""
    language = name.partition("/")[0]
    try:
        template = environment.get_template(name)
        for minutes, code, more in ((1, "012345", ""), (2, "0123456", "Example"), (30, "01234567", "Example")):
            few = {"minutes": minutes, "browser": more, "site": more, "with_code": bool(more)}
            template.render(SAMPLE | few | {"language": language, "code": code, "spoken": ", ".join(code)})
    except TemplateNotFound as error:
        return " is missing" if error.name == name else f" includes {error.name}, which is missing"
    except TemplateSyntaxError as error:
        return f", line {error.lineno}: {error.message}"
    except Exception as error:  # noqa: BLE001 - whatever a template does, it is the operator's to know
        return f": {error}"
    return ""


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
    """One message's; *ending* is the last line of a text message, which no template can lose or fake."""

    plain: Template
    subject: Template | None = None
    html: Template | None = None
    is_one_line: bool = False
    ending: str = ""

    @classmethod
    def load(
        cls, environment: SandboxedEnvironment, language: str, subject: Subject, medium: Medium, *, host: str
    ) -> "_Templates":
        path = f"{language}/{subject}"
        if medium == "mail":
            subject_line, plain, html = (environment.get_template(f"{path}.{part}.j2") for part in PARTS["mail"])
            return cls(subject=subject_line, plain=plain, html=html)
        # Browsers fill in a code whose message names their site so (WICG, origin-bound one-time codes).
        ending = f"\n@{host} #{{}}" if host and medium == "sms" and subject == "code" else ""
        return cls(plain=environment.get_template(f"{path}.{medium}.j2"), is_one_line=True, ending=ending)

    def render(self, told: Mapping[str, object]) -> Text:
        plain = self.plain.render(told)
        return Text(
            subject=" ".join(self.subject.render(told).split()) if self.subject else "",
            plain=" ".join(plain.split()) + self.ending.format(told["code"]) if self.is_one_line else plain,
            html=self.html.render(told) if self.html else "",
        )


class Form:
    """The templates filled with the few values that many mails share, with blanks for the rest.

    Jinja takes five times as long as filling the blanks (measured). A template that does more with a blank than show
    it is rendered by Jinja each time.
    """

    def __init__(self, templates: _Templates, few: Mapping[str, object]) -> None:
        self._templates = templates
        self._few = few
        try:
            text = templates.render({**few, **BLANKS})
        except Exception:  # noqa: BLE001 - a blank has one letter, and the template wants another
            text = Text(plain="")
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

    def __init__(self, options: TextOptions, *, public_url: str | None = None) -> None:
        self.options = options
        self.choice = Choice(known=tags(options.folder), default=options.default_language)
        self._zone = ZoneInfo(options.timezone)
        environment = _environment(options.folder)
        self._templates = {
            (language, subject, medium): _Templates.load(
                environment, language, subject, medium, host=host_of(public_url)
            )
            for language in self.choice.known
            for subject, medium in MESSAGES
        }
        self._form = lru_cache(FORMS)(self._make_form)
        for kind in self._templates:
            self._form(*kind, 1, "")

    def render(self, subject: Subject, language: str, values: Values, *, medium: Medium = "mail") -> Text:
        """The message *subject* in *language*, in one that it is a kind of (`de` for `de-at`), or in the default."""
        # A code sent at once is told as what it was configured to; a quarter of a minute too much hurts nobody.
        minutes = max(1, int((values.seconds + 15) // 60))
        known = self.choice.named(language) or self.choice.default
        # Nobody is read his browser aloud, and a text message has no room for it.
        browser = browser_of(values.browser) if medium == "mail" else ""
        form = self._form(known, subject, medium, minutes, browser)
        # The same in every language, and never mistaken for another day.
        asked_at = f"{datetime.fromtimestamp(values.asked_at, self._zone):%Y-%m-%d %H:%M %Z}"
        return form.fill(
            {
                "username": one_line(values.username),
                "code": values.code,
                "asked_at": asked_at,
                "spoken": ", ".join(values.code),
            }
        )

    def _make_form(self, language: str, subject: Subject, medium: Medium, minutes: int, browser: str) -> Form:
        few = {
            "language": language,
            "minutes": minutes,
            "browser": browser,
            "site": self.options.site,
            "with_code": self.options.subject_with_code,
        }
        templates = self._templates[language, subject, medium]
        form = Form(templates, few)
        if medium == "sms" and not fits_one(form.fill(SAMPLE).plain):
            # The site's name is what can be spared: the last line says whose code it is.
            return Form(templates, {**few, "site": ""})
        return form


def host_of(public_url: str | None) -> str:
    """The host by which a browser knows its page, in ASCII; empty where it is an address in numbers, or none."""
    host = urlsplit(public_url or "").hostname or ""
    try:
        name = idna.encode(host, uts46=True).decode("ascii") if host else ""
    except UnicodeError:  # idna.IDNAError is one
        return ""
    return "" if name.rpartition(".")[2].isdecimal() else name


@lru_cache(4)
def _environment(folder: Path | None) -> SandboxedEnvironment:
    return SandboxedEnvironment(
        loader=FileSystemLoader([folder, TEXTS] if folder else TEXTS),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
