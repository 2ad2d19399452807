"""What a message says, in the reader's language.

Every text that a client can choose is put in as one printable line, and is escaped in HTML.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import idna
from pydantic import AfterValidator, ValidationInfo, field_validator

from gateway.interfaces import Subject, Text
from gateway.language_choice import Choice
from gateway.options import Options
from gateway.texts.browser import browser_of
from gateway.texts.catalogues import Languages
from gateway.texts.folders import tags
from gateway.texts.sms_length import fits_one
from gateway.texts.templates import MESSAGES, SAMPLE, Form, Medium, Templates, environment, template_problems

# What each channel carries.
MEDIA: Mapping[str, Medium] = {"email": "mail", "sms": "sms", "whatsapp": "sms", "voice": "voice"}
# How many forms are cached. Languages, minutes and known browsers make some hundreds.
FORMS = 512
# Usually a message is sent within this time after its code was made. The text adds this time to the time that is left,
# so that it names the whole lifetime of a new code.
ROUNDING_SECONDS = 15


def one_line(text: str) -> str:
    """*text* with U+FFFD in the place of each line break, control, invisible mark and lone surrogate."""
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
    """*site* is the site's name; *timezone* is that of the times in mails.

    *subject_with_code* puts the code into the subject of the mail, where a locked phone may show it. A file in *folder*
    is used instead of ours. *default_language* is used when neither the account nor the browser names a known language.
    """

    site: Annotated[str, AfterValidator(one_line)] = ""
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    subject_with_code: bool = False
    folder: Path | None = None
    default_language: str = "en"

    @field_validator("folder")
    @classmethod
    def _is_complete(cls, folder: Path | None) -> Path | None:
        if folder is not None:
            check(folder)
        return folder

    @field_validator("default_language")
    @classmethod
    def _is_known(cls, language: str, info: ValidationInfo) -> str:
        known = tags(info.data.get("folder"))
        if language not in known:
            raise ValueError(f"must be one of {', '.join(sorted(known))}")
        return language


def check(folder: Path) -> None:
    """Raise ValueError that names each file which is missing or broken when the operator's *folder* is used."""
    try:
        Languages(folder=folder)
        problems = template_problems(folder)
    except OSError as error:
        raise ValueError("is not a folder that can be read") from error
    if problems:
        raise ValueError("; ".join(problems))


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """What differs between messages. *seconds* is how long the code still works; *asked_at* is since the epoch."""

    username: str = field(repr=False)
    code: str = field(default="", repr=False)
    seconds: float = 0
    asked_at: float
    browser: str = field(default="", repr=False)


class Texts:
    """All templates of all languages. They are compiled here, so that a broken one stops the start, not a login."""

    def __init__(self, options: TextOptions, *, public_url: str | None = None) -> None:
        self.options = options
        self.choice = Choice(known=tags(options.folder), default=options.default_language)
        self._zone = ZoneInfo(options.timezone)
        jinja, host = environment(options.folder), host_of(public_url)
        self._templates = {
            (language, subject, medium): Templates.load(jinja, language, subject, medium, host=host)
            for language in self.choice.known
            for subject, medium in MESSAGES
        }
        self._form = lru_cache(FORMS)(self._make_form)
        for kind in self._templates:
            self._form(*kind, 1, "")

    def render(self, subject: Subject, language: str, values: Values, *, medium: Medium = "mail") -> Text:
        """The message *subject* in *language*, in a wider one (`de` for `de-at`), or in the default language."""
        minutes = max(1, int((values.seconds + ROUNDING_SECONDS) // 60))
        known = self.choice.named(language) or self.choice.default
        # A call would read the browser's name aloud, and a text message has no space for it.
        browser = browser_of(values.browser) if medium == "mail" else ""
        form = self._form(known, subject, medium, minutes, browser)
        # The same form in every language, so that no day is mistaken for a month.
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
        shared = {
            "language": language,
            "minutes": minutes,
            "browser": browser,
            "site": self.options.site,
            "with_code": self.options.subject_with_code,
        }
        templates = self._templates[language, subject, medium]
        form = Form(templates, shared)
        if medium == "sms" and not fits_one(form.fill(SAMPLE).plain):
            # The site's name can be left out: the last line names the host.
            return Form(templates, {**shared, "site": ""})
        return form


def host_of(public_url: str | None) -> str:
    """The host of the site in ASCII, as a browser knows it. Empty without a URL, and for an IP address."""
    host = urlsplit(public_url or "").hostname or ""
    try:
        name = idna.encode(host, uts46=True).decode("ascii") if host else ""
    except UnicodeError:  # also catches idna.IDNAError, a subclass
        return ""
    return "" if name.rpartition(".")[2].isdecimal() else name
