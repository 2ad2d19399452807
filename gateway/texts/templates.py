"""The templates of messages: loaded, checked before the start, and filled.

Jinja makes a template into a *form*: it puts in the few values that many messages share, with blanks for the rest. It
does so once for each form. To fill the blanks takes a fifth of the time that Jinja takes (measured).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import escape

from gateway.interfaces import Subject, Text
from gateway.texts.folders import search_path, tags

Medium = Literal["mail", "sms", "voice"]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)
# The parts of each medium: `code.sms.j2`, `code.subject.j2`, …
PARTS: Mapping[Medium, tuple[str, ...]] = {"mail": ("subject", "txt", "html"), "sms": ("sms",), "voice": ("voice",)}
# Notices are mails. Only a code goes to a phone.
MESSAGES: tuple[tuple[Subject, Medium], ...] = (
    *(("code", medium) for medium in PARTS),
    *((subject, "mail") for subject in SUBJECTS if subject != "code"),
)
# Noncharacters of Unicode, which no text of ours or of a client holds.
BLANKS = {"username": "\ufdd0", "code": "\ufdd1", "asked_at": "\ufdd2", "spoken": "\ufdd3"}
# This code has the greatest length: a text that fits with it fits with every code.
SAMPLE = {
    "username": '<Jane> & "J%s',
    "code": "01234567",
    "asked_at": "2000-02-29 23:59 UTC",
    "spoken": "0, 1, 2, 3, 4, 5, 6, 7",
}


def environment(folder: Path | None) -> SandboxedEnvironment:
    """Jinja, with the operator's *folder* searched before our own."""
    return _environment(search_path(folder))


@lru_cache(4)
def _environment(path: tuple[Path, ...]) -> SandboxedEnvironment:
    return SandboxedEnvironment(
        loader=FileSystemLoader(path),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Templates:
    """The templates of one message. *ending* is the last line of a text message; no template can change it."""

    plain: Template
    subject: Template | None = None
    html: Template | None = None
    is_one_line: bool = False
    ending: str = ""

    @classmethod
    def load(
        cls, environment: SandboxedEnvironment, language: str, subject: Subject, medium: Medium, *, host: str
    ) -> "Templates":
        path = f"{language}/{subject}"
        if medium == "mail":
            subject_line, plain, html = (environment.get_template(f"{path}.{part}.j2") for part in PARTS["mail"])
            return cls(subject=subject_line, plain=plain, html=html)
        # A browser fills in a code when the message names the site in this form (WICG, origin-bound one-time codes).
        ending = f"\n@{host} #{{}}" if host and medium == "sms" and subject == "code" else ""
        return cls(plain=environment.get_template(f"{path}.{medium}.j2"), is_one_line=True, ending=ending)

    def render(self, values: Mapping[str, object]) -> Text:
        plain = self.plain.render(values)
        return Text(
            subject=" ".join(self.subject.render(values).split()) if self.subject else "",
            plain=" ".join(plain.split()) + self.ending.format(values["code"]) if self.is_one_line else plain,
            html=self.html.render(values) if self.html else "",
        )


class Form:
    """Templates filled with the *shared* values, and with a blank for each of the others.

    Some templates do more with a value than show it. They can't be made into a form, so Jinja renders them each time.
    """

    def __init__(self, templates: Templates, shared: Mapping[str, object]) -> None:
        self._templates = templates
        self._shared = shared
        try:
            text = templates.render({**shared, **BLANKS})
        except Exception:  # noqa: BLE001 - a blank is one letter, and the template may need another value
            text = Text(plain="")
        self._subject, self._plain, self._html = (_pattern(part) for part in (text.subject, text.plain, text.html))
        self._only_shows_blanks = self._fill(SAMPLE) == templates.render({**shared, **SAMPLE})

    def fill(self, rest: Mapping[str, str]) -> Text:
        """The text with *rest* in the blanks."""
        return self._fill(rest) if self._only_shows_blanks else self._templates.render({**self._shared, **rest})

    def _fill(self, rest: Mapping[str, str]) -> Text:
        escaped = {name: str(escape(value)) for name, value in rest.items()}
        return Text(subject=self._subject % rest, plain=self._plain % rest, html=self._html % escaped)


def _pattern(text: str) -> str:
    text = text.replace("%", "%%")
    for name, blank in BLANKS.items():
        text = text.replace(blank, f"%({name})s")
    return text


def template_problems(folder: Path) -> list[str]:
    """One sentence for each template that is missing or broken when the operator's *folder* is used."""
    jinja = environment(folder)
    # Our own languages are checked, too: the operator's folder may hold the layout that they extend.
    names = [
        f"{language}/{subject}.{part}.j2"
        for language in sorted(tags(folder))
        for subject, medium in MESSAGES
        for part in PARTS[medium]
    ]
    return [f"{name}{problem}" for name in names if (problem := _problem(jinja, name))]


def _problem(jinja: SandboxedEnvironment, name: str) -> str:
    """What is wrong with the template *name*, or an empty string."""
    language = name.partition("/")[0]
    try:
        template = jinja.get_template(name)
        for minutes, code, optional in ((1, "012345", ""), (2, "0123456", "Example"), (30, "01234567", "Example")):
            shared = {"minutes": minutes, "browser": optional, "site": optional, "with_code": bool(optional)}
            template.render(SAMPLE | shared | {"language": language, "code": code, "spoken": ", ".join(code)})
    except TemplateNotFound as error:
        return " is missing" if error.name == name else f" includes {error.name}, which is missing"
    except TemplateSyntaxError as error:
        return f", line {error.lineno}: {error.message}"
    except Exception as error:  # noqa: BLE001 - a template may raise anything, and the operator has to know it
        return f": {error}"
    return ""
