"""Every message in every language as files to look at, and a page that leads to them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.interfaces import Subject, Text
from gateway.settings import Settings
from gateway.texts.messages import Texts, Values
from gateway.texts.sms_length import size_of
from gateway.texts.templates import MESSAGES, Medium

# What the page is named by here; everything else in it is the messages' own.
MEDIA = {"mail": "Mail", "sms": "Text message", "voice": "Call"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One message in one language, as it would be sent."""

    language: str
    subject: Subject
    medium: Medium
    text: Text

    @property
    def name(self) -> str:
        return f"{self.language}/{self.subject}.{self.medium}"

    @property
    def heading(self) -> str:
        return MEDIA[self.medium]

    @property
    def size(self) -> str:
        """What a text message costs."""
        taken, most = size_of(self.text.plain)
        # A message that goes on in another has less room (3GPP TS 23.040 §9.2.3.24.1).
        several = -(-taken // (153 if most > 100 else 67))  # noqa: PLR2004
        return f"{taken} of {most}, " + ("one message" if taken <= most else f"{several} messages")


def pages(settings: Settings, *, now: float) -> Iterator[Page]:
    """Every message with the configured site, for somebody who does not exist."""
    texts = Texts(settings.texts, public_url=settings.public_url)
    values = Values(
        username="alice",
        code="12345678"[: settings.code.digits],
        seconds=settings.code.lifetime_seconds,
        asked_at=now,
        browser="Firefox, Windows",
    )
    for language in sorted(texts.choice.known):
        for subject, medium in MESSAGES:
            text = texts.render(subject, language, values, medium=medium)
            yield Page(language=language, subject=subject, medium=medium, text=text)


def write(settings: Settings, out: Path) -> int:
    """Write all of it to *out*, with an index.html to begin at; return how many messages there are."""
    shown = list(pages(settings, now=time.time()))
    for page in shown:
        path = out / page.name
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f"{page.text.subject}\n\n" if page.text.subject else ""
        path.with_suffix(f".{page.medium}.txt").write_text(f"{head}{page.text.plain}\n", encoding="utf-8")
        if page.text.html:
            path.with_suffix(f".{page.medium}.html").write_text(page.text.html, encoding="utf-8")
    (out / "index.html").write_text(_index(shown), encoding="utf-8")
    return len(shown)


def _index(shown: list[Page]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("index.html.j2").render(pages=shown)
