"""Everything in one process: a Drupal, a mailbox, the gateway, and a page to log in on."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path

from aiohttp import web
from rich.console import Console
from rich.markup import escape

from gateway.app import Gateway, gateway
from gateway.demo.drupal.accounts import example_users
from gateway.demo.drupal.server import SimulatedDrupal, running
from gateway.demo.drupal.site import DrupalOptions
from gateway.demo.mailbox import Mail, Mailbox
from gateway.drupal.reachable import why_unreachable
from gateway.process import bound, listening
from gateway.settings import Settings
from gateway.telemetry import log_setup

# How long a Drupal may take to accept a connection at start.
DRUPAL_SECONDS = 3
PAGES = Path(__file__).parent / "pages"
CONTENT_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}
# The pages load nothing from other sites and have no inline script or style.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
# A mail has its styles in its text. It runs no script, loads nothing, and only the mailbox may show it in a frame.
MAIL_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox allow-same-origin"
)


def settings_for(*, drupal: str, smtp_port: int, origins: Sequence[str] = ()) -> Settings:
    """Return the smallest configuration that connects the demo's parts."""
    return Settings.model_validate(
        {
            "headless": {"clients": [{"id": "demo", "api_key": "demo", "origins": origins}]},
            "drupal": {"url": drupal},
            "code": {"resend_wait_seconds": 10},
            "totp": {"enabled": True},
            "channels": {
                "email": {
                    "kind": "smtp",
                    "host": "127.0.0.1",
                    "port": smtp_port,
                    "sender": "Example <no-reply@example.org>",
                }
            },
        }
    )


@asynccontextmanager
async def stage(
    *,
    drupal_url: str | None,
    host: str = "127.0.0.1",
    drupal_port: int = 0,
    origins: Sequence[str] = (),
    clock: Callable[[], float] = time.time,
) -> AsyncGenerator[tuple[Gateway, Mailbox, str]]:
    """Open every part; yield the gateway with the demo's pages on it, the mailbox, and Drupal's address.

    Pages of *origins* may call the API, too.
    """
    mailbox = Mailbox()
    # Without a language of their own, the accounts get their mails in the language of the page.
    users = tuple(replace(user, preferred_langcode="") for user in example_users())
    site = SimulatedDrupal(DrupalOptions(users=users, record_calls=False))
    simulation = bound(running(site, host=host, port=drupal_port), keys=("--host", "--drupal-port"))
    async with simulation as simulated, mailbox.listen() as smtp_port:
        drupal = (drupal_url or simulated).rstrip("/")
        settings = settings_for(drupal=drupal, smtp_port=smtp_port, origins=origins)
        async with gateway(settings, clock=clock) as opened:
            add_pages(opened.headless, mailbox, drupal=drupal)
            yield opened, mailbox, drupal


def add_pages(app: web.Application, mailbox: Mailbox, *, drupal: str) -> None:
    async def page(_request: web.Request) -> web.Response:
        return page_answer(PAGES / "login.html", drupal=drupal)

    async def mailbox_page(_request: web.Request) -> web.Response:
        return page_answer(PAGES / "mailbox.html", drupal=drupal)

    async def asset(request: web.Request) -> web.Response:
        path = PAGES / request.match_info["name"]
        if path.parent != PAGES or path.suffix not in (".css", ".js", ".json") or not path.is_file():
            raise web.HTTPNotFound
        return page_answer(path, drupal=drupal)

    async def mails(_request: web.Request) -> web.Response:
        return demo_answer(json.dumps([listed(mail) for mail in mailbox.mails]), "application/json")

    async def mail(request: web.Request) -> web.Response:
        found = mailbox.find(int(request.match_info["id"]))
        if found is None:
            raise web.HTTPNotFound
        return demo_answer(found.html, "text/html", policy=MAIL_CONTENT_SECURITY_POLICY)

    async def code(_request: web.Request) -> web.Response:
        found = next((mail.code for mail in mailbox.mails if mail.code), None)
        return demo_answer(f"{found or 'no mail yet'}\n", "text/plain")

    app.router.add_get("/", page)
    app.router.add_get("/mailbox", mailbox_page)
    app.router.add_get("/mailbox/mails", mails)
    app.router.add_get(r"/mailbox/mails/{id:[0-9]{1,9}}", mail)
    app.router.add_get("/mailbox/code", code)
    app.router.add_get("/demo/{name}", asset)


def listed(mail: Mail) -> dict[str, object]:
    """*mail* as the mailbox page needs it; `html` is the path of its HTML, or None."""
    return asdict(mail) | {"html": f"/mailbox/mails/{mail.id}" if mail.html else None}


def page_answer(path: Path, *, drupal: str) -> web.Response:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        text = text.replace("</head>", f'  <meta name="drupal" content="{drupal}">\n</head>')
    return demo_answer(text, CONTENT_TYPES[path.suffix])


def demo_answer(text: str, content_type: str, *, policy: str = CONTENT_SECURITY_POLICY) -> web.Response:
    headers = {"Content-Security-Policy": policy, "X-Answered-By": "demo", "Cache-Control": "no-store"}
    return web.Response(text=text, content_type=content_type, charset="utf-8", headers=headers)


async def play(*, host: str, port: int, drupal_url: str | None, drupal_port: int, origins: Sequence[str] = ()) -> None:
    """Run the demo until Ctrl-C or SIGTERM."""
    log_setup.configure(format="auto")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        stage(drupal_url=drupal_url, host=host, drupal_port=drupal_port, origins=origins) as (opened, _, drupal),
        bound(listening(opened.headless, host, port, seconds=2), keys=("--host", "--port")) as page_port,
    ):
        console = Console()
        print_instructions(
            console,
            page=f"http://localhost:{page_port}",
            drupal=drupal,
            real=drupal_url is not None,
            origins=origins,
        )
        await warn_if_unreachable(console, drupal)
        await stop.wait()


async def warn_if_unreachable(console: Console, drupal: str) -> None:
    """Say at once that nobody answers at DRUPAL_URL, not only at the first login."""
    if reason := await why_unreachable(drupal, seconds=DRUPAL_SECONDS):
        console.print(f"[yellow]warning:[/] nobody answers at {escape(drupal)} ({reason}).\n", soft_wrap=True)


def print_instructions(console: Console, *, page: str, drupal: str, real: bool, origins: Sequence[str] = ()) -> None:
    """Print the links to click, and the same login as curl commands."""
    name, password = ("NAME", "PASSWORD") if real else ("alice", "alice-pass-1")
    console.print("\n[bold]Headgate demo[/]\n")
    console.print(f"  Log in       [link={page}]{page}[/]   as [bold]{name}[/] with [bold]{password}[/]")
    console.print(f"  Mailbox      [link={page}/mailbox]{page}/mailbox[/]")
    console.print(f"  Drupal       [link={drupal}]{drupal}[/]")
    for origin in origins:
        console.print(f"  Frontend     [link={origin}]{origin}[/]   may call {page}/headless")
    console.print()
    console.print("The same login with curl:\n")
    for line in curl_commands(page=page, drupal=drupal, name=name, password=password):
        # Neither wrapped nor marked up, so that it can be copied.
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print("\nPress Ctrl-C to stop.\n")


def curl_commands(*, page: str, drupal: str, name: str, password: str) -> list[str]:
    """Return one command for each step of a login."""
    post = "-H 'Content-Type: application/json' -d"
    first = json.dumps({"username": name, "password": password, "apiKey": "demo"})
    second = json.dumps(
        {"username": name, "transactionID": "$ID", "authType": "EMAIL", "otp": "$CODE", "apiKey": "demo"}
    ).replace('"', '\\"')
    return [
        f"ID=$(curl -s {page}/headless/authenticate {post} '{first}' | {TRANSACTION_ID})",
        f"sleep 1; CODE=$(curl -s {page}/mailbox/code)",
        f'curl -s -c cookies.txt {page}/headless/login {post} "{second}"',
        f"curl -s -b cookies.txt {drupal}/user/2",
    ]


TRANSACTION_ID = r"""sed -E 's/.*"transactionID":"([^"]+)".*/\1/'"""
