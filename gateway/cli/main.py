"""headgate: every command of the product."""

import asyncio
import base64
import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Concatenate, Literal, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from gateway import __version__

if TYPE_CHECKING:
    from gateway.settings import Settings

app = typer.Typer(
    name="headgate",
    help="A second factor in front of an unchanged Drupal site.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)

T = TypeVar("T")
P = ParamSpec("P")

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="HEADGATE_CONFIG", help="Configuration file; not needed if the environment says all."
    ),
]


def main() -> None:
    app()


@app.command()
def serve(config: ConfigFile = None) -> None:
    """Answer requests until SIGTERM."""
    settings = settings_or_exit(config)
    from gateway import process
    from gateway.telemetry import logs

    logs.configure(format=settings.log.format, level=settings.log.level)
    run(process.serve(settings))


def are_origins(origins: list[str] | None) -> list[str] | None:
    """Refuse what no browser sends as an origin. Raises typer.BadParameter."""
    from pydantic import ValidationError

    from gateway.settings import ClientOptions

    try:
        ClientOptions.model_validate({"id": "demo", "api_key": "demo", "origins": origins or ()})
    except ValidationError:
        raise typer.BadParameter("An origin is scheme and host, such as https://app.example, without a path.") from None
    return origins


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where the login page is.")] = 8080,
    drupal_url: Annotated[
        str | None, typer.Option(envvar="DRUPAL_URL", help="A real site instead of the simulated one.")
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            callback=are_origins,
            help="The origin of a frontend whose pages may call the API (CORS), such as http://localhost:3000. "
            "Give the option once for each origin.",
        ),
    ] = None,
) -> None:
    """The gateway, a Drupal, a mailbox and a login page in one process; nothing to install."""
    try:
        from gateway.demo.stage import play
    except ModuleNotFoundError as error:
        err.print(f"The demo needs [bold]{error.name}[/]: pip install 'headgate\\[demo]'")
        raise typer.Exit(1) from None
    run(play(port=port, drupal_url=drupal_url, origins=origin or ()))


@app.command("check-config")
def check_config(config: ConfigFile = None) -> None:
    """Say everything that is wrong with a configuration; nothing is started."""
    settings_or_exit(config)
    out.print("[green]The configuration is fine.[/]")


@app.command("new-key")
def new_key(kind: Annotated[Literal["api", "seal", "index"], typer.Argument(help="What the key is for.")]) -> None:
    """Make a key and print it, alone on a line."""
    match kind:
        case "api":
            print(secrets.token_urlsafe(32))
        case "seal":
            print(f"k{secrets.token_hex(3)}:{base64.b64encode(os.urandom(32)).decode()}")
        case "index":
            print(base64.b64encode(os.urandom(32)).decode())


@app.command("hash-key")
def hash_key() -> None:
    """Read an apiKey from standard input and print what `api_key_sha256` wants: frontends keep the key they have."""
    key = typer.prompt("apiKey", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not key:
        err.print("[red]No key on standard input.[/]")
        raise typer.Exit(1)
    print(hashlib.sha256(key.encode()).hexdigest())


@app.command("send-test")
def send_test(
    method: Annotated[str, typer.Argument(help="EMAIL, SMS, 'PHONE VERIFICATION' or WHATSAPP")],
    to: Annotated[str, typer.Argument(help="An address or a number of yours.")],
    config: ConfigFile = None,
) -> None:
    """Send a test message the way codes are sent, and say what became of it."""
    from gateway.cli.operations import send_test as send

    settings = settings_or_exit(config)
    problem = run(send(settings, method=method, to=to))
    if problem:
        err.print(f"[red]Not sent:[/] {problem}")
        raise typer.Exit(1)
    out.print("[green]Sent.[/]")


@app.command()
def preview(
    out_folder: Annotated[Path, typer.Option("--out", help="Where to write.")] = Path("preview"),
    config: ConfigFile = None,
) -> None:
    """Write every message in every language to files, with an index.html to click through."""
    from gateway.cli.preview import write

    # Nothing is asked or sent: only what the messages are made of has to be right.
    settings = settings_or_exit(config, only=frozenset({"texts", "public_url", "code"}))
    try:
        count = write(settings, out_folder)
    except OSError as error:
        err.print(f"[red]Can't write to {out_folder}:[/] {error.strerror}")
        raise typer.Exit(1) from None
    out.print(f"[green]{count} messages:[/] {out_folder / 'index.html'}", soft_wrap=True)


@app.command()
def unlock(uid: Annotated[str, typer.Argument(help="Drupal's uid of the account.")], config: ConfigFile = None) -> None:
    """Let an account log in again that wrong codes have locked."""
    from gateway.cli import operations

    on_the_store(operations.unlock, config, uid=uid)
    out.print(f"[green]Account {uid} is unlocked.[/]")


@app.command("forget-devices")
def forget_devices(
    uid: Annotated[str, typer.Argument(help="Drupal's uid of the account.")], config: ConfigFile = None
) -> None:
    """Ask an account for a code again on every device that was remembered."""
    from gateway.cli import operations

    forgotten = on_the_store(operations.forget_devices, config, uid=uid)
    out.print(f"[green]Devices of account {uid} that are forgotten: {forgotten}.[/]")


@app.command("reset-factors")
def reset_factors(
    uid: Annotated[str, typer.Argument(help="Drupal's uid of the account.")], config: ConfigFile = None
) -> None:
    """Take an account's authenticator app, recovery codes and remembered devices away; nobody is mailed."""
    from gateway.cli import operations
    from gateway.telemetry import logs

    logs.configure()
    had = on_the_store(operations.reset_factors, config, uid=uid)
    out.print(f"[green]Account {uid} has no app any more.[/]" if had else f"[yellow]Account {uid} had none.[/]")


@app.command("init-store")
def init_store(config: ConfigFile = None) -> None:
    """Say once that an empty store is meant to be: from then on an emptied one is noticed."""
    from gateway.cli import operations

    known = on_the_store(operations.initialise, config)
    out.print("[green]The store was marked before.[/]" if known else "[green]The store is marked.[/]")


@app.command()
def reseal(config: ConfigFile = None) -> None:
    """Seal enrolments with the first of `keys`, so that an older one can be taken out."""
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from gateway.cli import operations
    from gateway.telemetry import logs

    logs.configure()
    with Progress(SpinnerColumn(), TextColumn("{task.completed} enrolments"), console=err, transient=True) as progress:
        seen = partial(progress.advance, progress.add_task("", total=None))
        resealed = on_the_store(operations.reseal, config, seen=seen)
    out.print(f"[green]Enrolments that were sealed anew: {resealed.anew}.[/]")
    if resealed.lost:
        err.print(f"[red]Enrolments that none of `keys` opens: {resealed.lost}.[/] Nobody of them can log in.")
        raise typer.Exit(1)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def settings_or_exit(path: Path | None, *, only: frozenset[str] | None = None) -> "Settings":
    from gateway.settings import ConfigurationError, load

    try:
        return load(path, os.environ, only=only)
    except ConfigurationError as error:
        show_problems(error.problems)


def on_the_store(
    work: Callable[Concatenate["Settings", P], Coroutine[None, None, T]],
    config: Path | None,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Do *work* on the store that serves, or say why that can't be."""
    from gateway.errors import StoreUnavailable

    settings = settings_or_exit(config)
    if settings.store.kind == "memory":
        err.print("[red]The memory store lives in the serving process: restart it.[/]")
        raise typer.Exit(1)
    try:
        return run(work(settings, *args, **kwargs))
    except StoreUnavailable as error:
        err.print(
            "[red]None of `keys` opens what the store holds:[/] a key was taken out before `headgate reseal` was run."
            if error.reason == "unsealable"
            else "[red]The store can't be reached.[/]"
        )
        raise typer.Exit(1) from None


def show_problems(problems: list[tuple[str, str]]) -> NoReturn:
    """Every problem at once, by key, without values (promise 15)."""
    table = Table("key", "what is wrong", title="The configuration can't be used", title_justify="left")
    for key, sentence in problems:
        table.add_row(key, sentence)
    if err.is_terminal:
        err.print(table)
    else:
        for key, sentence in problems:
            print(f"configuration: {key}: {sentence}", file=sys.stderr)
    raise typer.Exit(2)


def run(work: Coroutine[None, None, T]) -> T:
    """Run on uvloop where there is one."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(work)
    return uvloop.run(work)
