"""The messages that the gateway sends: send-test sends one, preview writes all of them to files."""

import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.auth_types import METHODS
from gateway.cli.command import ConfigFile, fail, out, run, settings_or_exit
from gateway.errors import DeliveryError
from gateway.interfaces import Subject, Text

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.texts.templates import Medium

commands = typer.Typer()

# The parts of a configuration that messages are made of.
PREVIEW_NEEDS = frozenset({"texts", "public_url", "code"})
MEDIA_HEADINGS = {"mail": "Mail", "sms": "Text message", "voice": "Call"}
# The capacity of each part of a text that needs more than one message (3GPP TS 23.040 §9.2.3.24.1).
PART_OF_GSM_7, PART_OF_UCS_2 = 153, 67


@commands.command()
def send_test(
    method: Annotated[str, typer.Argument(help="EMAIL, SMS, 'PHONE VERIFICATION' or WHATSAPP")],
    to: Annotated[str, typer.Argument(help="A mail address or a phone number of yours.")],
    config: ConfigFile = None,
) -> None:
    """Send a test message the way codes are sent, and report the result."""
    settings = settings_or_exit(config)
    if problem := run(send_test_message(settings, method=method, to=to)):
        fail(f"[red]Not sent:[/] {problem}")
    out.print("[green]Sent.[/]")


async def send_test_message(settings: "Settings", *, method: str, to: str) -> str | None:
    """Send a message with a code of zeros through every channel of *method*; return the problem, or None."""
    from gateway.delivery.numbers import e164
    from gateway.settings import configured
    from gateway.texts.messages import MEDIA, Texts, Values

    channels = configured(settings.channels)
    names = METHODS.get(method, ())
    if not names or not set(names) <= channels.keys():
        return f"no channel is configured for {method}"

    now, code, language = time.time(), "0" * settings.code.digits, settings.texts.default_language
    texts = Texts(settings.texts, public_url=settings.public_url)
    values = Values(username="headgate", code=code, seconds=60, asked_at=now)

    async with AsyncExitStack() as stack:
        for name in names:
            channel = await stack.enter_async_context(channels[name].open())
            rendered = texts.render("code", language, values, medium=MEDIA[name])
            text = replace(rendered, channel=name, code=code, language=language, expires_at=now + 60)
            try:
                destination = to if name == "email" else e164(to, settings.numbers)
                await channel.deliver(destination, partial(_ready, text), id=f"test-{token_urlsafe(12)}")
            except DeliveryError as error:
                return f"{name}: {error.reason}"
    return None


async def _ready(text: Text) -> Text:
    """Return *text*. A channel expects a coroutine, since the courier renders its texts at the last moment."""
    return text


@commands.command()
def preview(
    out_folder: Annotated[Path, typer.Option("--out", help="The folder to write to.")] = Path("preview"),
    config: ConfigFile = None,
) -> None:
    """Write every message in every language to files, with an index.html that links to them."""
    settings = settings_or_exit(config, only=PREVIEW_NEEDS)
    try:
        count = write_preview(settings, out_folder)
    except OSError as error:
        fail(f"[red]Can't write to {out_folder}:[/] {error.strerror}")
    out.print(f"[green]{count} messages:[/] {out_folder / 'index.html'}", soft_wrap=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One message in one language, as it would be sent."""

    language: str
    subject: Subject
    medium: "Medium"
    text: Text

    @property
    def name(self) -> str:
        return f"{self.language}/{self.subject}.{self.medium}"

    @property
    def heading(self) -> str:
        return MEDIA_HEADINGS[self.medium]

    @property
    def size(self) -> str:
        """The length of a text message, and how many messages a provider charges for it."""
        from gateway.texts.sms_length import SEPTETS, size_of

        length, most = size_of(self.text.plain)
        parts = -(-length // (PART_OF_GSM_7 if most == SEPTETS else PART_OF_UCS_2))
        return f"{length} of {most}, " + ("one message" if length <= most else f"{parts} messages")


def pages(settings: "Settings", *, now: float) -> Iterator[Page]:
    """Render every message in every language, for an invented user of the configured site."""
    from gateway.texts.messages import Texts, Values
    from gateway.texts.templates import MESSAGES

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


def write_preview(settings: "Settings", out_folder: Path) -> int:
    """Write every message and an index.html to *out_folder*; return how many messages there are. Raises OSError."""
    written = list(pages(settings, now=time.time()))
    for page in written:
        path = out_folder / page.name
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f"{page.text.subject}\n\n" if page.text.subject else ""
        path.with_suffix(f".{page.medium}.txt").write_text(f"{head}{page.text.plain}\n", encoding="utf-8")
        if page.text.html:
            path.with_suffix(f".{page.medium}.html").write_text(page.text.html, encoding="utf-8")
    (out_folder / "index.html").write_text(_index(written), encoding="utf-8")
    return len(written)


def _index(written: list[Page]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("preview.html.j2").render(pages=written)
