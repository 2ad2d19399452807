"""Starts the demo: the simulated Drupal, the mailbox, the gateway, and the pages to log in on."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from rich.console import Console

from gateway.app import Gateway, gateway
from gateway.demo.drupal.server import SimulatedDrupal, running
from gateway.demo.drupal.site import DrupalOptions
from gateway.demo.mailbox import Mailbox
from gateway.process import listening
from gateway.settings import Settings
from gateway.telemetry import logs

PAGES = Path(__file__).parent / "pages"
CONTENT_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# The pages load nothing from other sites and have no inline script or style.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


async def play(*, host: str, port: int, drupal_url: str | None, drupal_port: int) -> None:
    """Run the demo until Ctrl-C or SIGTERM."""
    logs.configure(format="auto")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        stage(drupal_url=drupal_url, host=host, drupal_port=drupal_port) as (opened, _, drupal),
        listening(opened.headless, host, port, seconds=2) as bound,
    ):
        print_instructions(Console(), page=f"http://localhost:{bound}", drupal=drupal, simulated=drupal_url is None)
        await stop.wait()


@asynccontextmanager
async def stage(
    *, drupal_url: str | None, host: str = "127.0.0.1", drupal_port: int = 0
) -> AsyncGenerator[tuple[Gateway, Mailbox, str]]:
    """Open every part; yield the gateway with the demo's pages on it, the mailbox, and Drupal's address."""
    mailbox = Mailbox()
    site = SimulatedDrupal(DrupalOptions(record_calls=False))
    async with running(site, host=host, port=drupal_port) as simulated, mailbox.listen() as smtp_port:
        drupal = (drupal_url or simulated).rstrip("/")
        async with gateway(settings_for(drupal=drupal, smtp_port=smtp_port)) as opened:
            add_pages(opened.headless, mailbox, drupal=drupal)
            yield opened, mailbox, drupal


def settings_for(*, drupal: str, smtp_port: int) -> Settings:
    """Return the smallest configuration that connects the demo's parts."""
    return Settings.model_validate(
        {
            "headless": {"clients": [{"id": "demo", "api_key": "demo"}]},
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


def add_pages(app: web.Application, mailbox: Mailbox, *, drupal: str) -> None:
    """Add the login page, the mailbox and what they load to the gateway's routes."""

    async def login_page(_request: web.Request) -> web.Response:
        return page_answer(PAGES / "login.html", drupal=drupal)

    async def mailbox_page(_request: web.Request) -> web.Response:
        return page_answer(PAGES / "mailbox.html", drupal=drupal)

    async def asset(request: web.Request) -> web.Response:
        path = PAGES / request.match_info["name"]
        if path.parent != PAGES or path.suffix not in (".css", ".js") or not path.is_file():
            raise web.HTTPNotFound
        return page_answer(path, drupal=drupal)

    async def mails(_request: web.Request) -> web.Response:
        listed = [{"to": mail.to, "subject": mail.subject, "text": mail.text, "at": mail.at} for mail in mailbox.mails]
        return demo_answer(json.dumps(listed), "application/json")

    async def newest_code(_request: web.Request) -> web.Response:
        code = next((mail.code for mail in mailbox.mails if mail.code), None)
        return demo_answer(f"{code or 'no mail yet'}\n", "text/plain")

    app.router.add_get("/", login_page)
    app.router.add_get("/mailbox", mailbox_page)
    app.router.add_get("/mailbox/mails", mails)
    app.router.add_get("/mailbox/code", newest_code)
    app.router.add_get("/demo/{name}", asset)


def page_answer(path: Path, *, drupal: str) -> web.Response:
    """Answer with a file of the pages; HTML is told Drupal's address."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        text = text.replace("</head>", f'  <meta name="drupal" content="{drupal}">\n</head>')
    return demo_answer(text, CONTENT_TYPES[path.suffix])


def demo_answer(text: str, content_type: str) -> web.Response:
    """Answer with *text*, marked as the demo's and not the gateway's."""
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Answered-By": "demo",
        "Cache-Control": "no-store",
    }
    return web.Response(text=text, content_type=content_type, charset="utf-8", headers=headers)


def print_instructions(console: Console, *, page: str, drupal: str, simulated: bool) -> None:
    """Print the links to click, and the same login as curl commands."""
    name, password = ("alice", "alice-pass-1") if simulated else ("NAME", "PASSWORD")
    console.print("\n[bold]Headgate demo[/]\n")
    console.print(f"  Log in       [link={page}]{page}[/]   as [bold]{name}[/] with [bold]{password}[/]")
    console.print(f"  Mailbox      [link={page}/mailbox]{page}/mailbox[/]")
    console.print(f"  Drupal       [link={drupal}]{drupal}[/]\n")
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


# Takes the transactionID out of an answer, without jq.
TRANSACTION_ID = r"""sed -E 's/.*"transactionID":"([^"]+)".*/\1/'"""
