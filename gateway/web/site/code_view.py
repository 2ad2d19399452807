"""Makes the code page's HTML: the form, and the pages that say why there is none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from gateway.auth_types import AuthType, sends
from gateway.errors import GatewayError, Throttled, Unavailable, WrongOtp
from gateway.language_choice import Language
from gateway.login.outcome import Progress
from gateway.web.http.responses import whole_seconds
from gateway.web.http.statuses import status_of
from gateway.web.site import code_texts as texts
from gateway.web.site.assets import PATH, TEMPLATES, Assets
from gateway.web.site.log_events import CHALLENGE
from gateway.web.site.own_cookies import Note

_DAY_SECONDS: Final = 86_400
# Nothing inline and nothing from elsewhere. `form-action` holds for the redirect after a form, too, so the page to show
# after the login is on this site.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "X-Answered-By": "headgate",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it, browsers send `Origin: null` with the page's own forms (Fetch, "append a request
    # `Origin` header").
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
}
# Up to this many other ways stand open on the page. If there are more, all of them are folded up.
FEW: Final = 2
# The errors that a note can name.
_ERRORS: Final[Mapping[str, type[GatewayError]]] = {kind.word: kind for kind in CHALLENGE.refused}


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A page without a form. *links* are pairs of an English text and a path. *leads_to*: where it goes by itself."""

    heading: str
    text: str
    links: tuple[tuple[str, str], ...]
    status: HTTPStatus
    retry_after: int = 0
    leads_to: str = ""


class CodeView:
    """Renders the pages of one site. *remember_days* 0 offers to remember no device."""

    def __init__(self, assets: Assets, *, site: str, remember_days: int, clock: Callable[[], float]) -> None:
        self._assets = assets
        self._site = site
        self._remember_days = remember_days
        self._clock = clock
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def form(self, progress: Progress, *, token: str, note: Note | None, language: Language) -> web.Response:
        """The page that asks for the code. If *note* is an error, the answer has its status."""
        error = _ERRORS.get(note.word) if note else None
        wait = self._wait(note)
        values = {
            "t": {name: language.say(text) for name, text in texts.FIXED.items()},
            "heading": language.say(texts.HEADING),
            "alert": alert(note, error, wait, language) if note and error else "",
            "status": language.say(texts.RESENT) if note and note.word == "resent" else "",
            "is_wrong": error is WrongOtp,
            "asks": asks(progress, language),
            "label": language.say(texts.LABELS.get(progress.auth_type, texts.LABEL)),
            "is_recovery": progress.auth_type == AuthType.RECOVERY_CODE,
            "sends": sends(progress.auth_type),
            "by_phone": progress.auth_type in (AuthType.SMS, AuthType.SMS_AND_EMAIL),
            "waits": sends(progress.auth_type) and progress.delivery == "queued",
            "expires": with_time(texts.EXPIRES, progress.expires_in, language),
            "may_resend": progress.resends_left > 0,
            "resend_in": with_time(texts.RESEND_IN, progress.resend_in, language) if progress.resend_in > 0 else "",
            "others": (others := self._others(progress, language)),
            # A user who gets no code here must not have to look for the other ways.
            "others_open": len(others) <= FEW or progress.delivery == "failed",
            "remembered": self._remembered(language),
            "token": token,
            "shown": progress.auth_type,
        }
        return self._answer("code.html.j2", values, status=status_for(error), retry_after=wait, language=language)

    def message(self, message: Message, *, language: Language) -> web.Response:
        values = {
            "heading": language.say(message.heading),
            "alert": "",
            "status": "",
            "text": language.say(message.text),
            "leads_to": message.leads_to,
            "links": [(language.say(text), path) for text, path in message.links],
        }
        return self._answer(
            "message.html.j2", values, status=message.status, retry_after=message.retry_after, language=language
        )

    def refusal(self, error: GatewayError, *, links: tuple[tuple[str, str], ...], language: Language) -> web.Response:
        """The page that says *error*, with its status and when to try again."""
        retry_after = whole_seconds(error.retry_after) if isinstance(error, (Throttled, Unavailable)) else 0
        message = Message(
            heading=texts.REFUSED,
            text=texts.on_a_page(error),
            links=links,
            status=status_of(type(error)),
            retry_after=retry_after,
        )
        return self.message(message, language=language)

    def _answer(
        self, template: str, values: Mapping[str, object], *, status: HTTPStatus, retry_after: int, language: Language
    ) -> web.Response:
        html = self._templates.get_template(template).render(
            values,
            language=language.tag,
            direction=language.direction,
            site=self._site,
            assets=self._assets,
            footer=self._assets.footer(language.tag),
            path=PATH.rstrip("/"),
        )
        headers = dict(HEADERS) | {"Content-Language": language.tag}
        if retry_after > 0:
            headers["Retry-After"] = str(retry_after)
        return web.Response(text=html, status=status, content_type="text/html", charset="utf-8", headers=headers)

    def _wait(self, note: Note | None) -> int:
        """How many seconds the user has to wait, by *note*."""
        return whole_seconds(note.until - self._clock()) if note and note.until else 0

    @staticmethod
    def _others(progress: Progress, language: Language) -> list[tuple[str, str]]:
        """The other methods of the account, each with the text of its button."""
        return [
            (method, language.say(texts.SWITCHES[method]))
            for method in progress.methods
            if method != progress.auth_type and method in texts.SWITCHES
        ]

    def _remembered(self, language: Language) -> Markup | None:
        if not self._remember_days:
            return None
        date = datetime.fromtimestamp(self._clock() + self._remember_days * _DAY_SECONDS, UTC).date().isoformat()
        shown = Markup('<time dir="ltr" datetime="{0}">{0}</time>').format(date)
        return escape(language.say(texts.REMEMBERED)).format(date=shown)


def asks(progress: Progress, language: Language) -> Markup:
    """What the user should type, and where it went."""
    if progress.auth_type in texts.ASKED:
        return escape(language.say(texts.ASKED[progress.auth_type]))
    destination = Markup('<bdi class="destination">{}</bdi>').format(progress.destination)
    return escape(language.say(texts.SENT[progress.delivery])).format(destination=destination)


def alert(note: Note, error: type[GatewayError], wait: int, language: Language) -> str:
    """The sentences for an error that the last form ended in."""
    said = language.say(texts.on_the_form(error))
    if error is WrongOtp:
        return f"{said} {language.say(texts.ATTEMPTS_LEFT, number=str(note.attempts_left))}"
    return f"{said} {language.say(texts.WAIT, time=clock_text(wait))}" if wait else said


def status_for(error: type[GatewayError] | None) -> HTTPStatus:
    return status_of(error) if error else HTTPStatus.OK


def with_time(text: str, seconds: float, language: Language) -> Markup:
    """The sentence *text* with a time in it, which the script counts down."""
    left = whole_seconds(seconds)
    time = Markup('<span class="time" dir="ltr" data-left="{}">{}</span>').format(left, clock_text(left))
    return escape(language.say(text)).format(time=time)


def clock_text(seconds: int) -> str:
    """`4:32`, or `1:04:32`: it needs no plural in any language."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
