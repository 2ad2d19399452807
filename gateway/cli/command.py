"""What every command shares: the terminal, the configuration, and the event loop."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Concatenate, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from gateway.settings import Settings

T = TypeVar("T")
P = ParamSpec("P")


class Refused(Exception):
    """A command can't do what it was asked to. Its text is a sentence for the operator."""


out = Console()
err = Console(stderr=True)

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="HEADGATE_CONFIG",
        help="The configuration file. Not needed if environment variables set everything.",
    ),
]


def settings_or_exit(path: Path | None, *, only: frozenset[str] | None = None) -> "Settings":
    """Read the configuration; print its problems and exit with status 2 if there are any. For *only*, see `load`."""
    from gateway.configuration import ConfigurationError, load

    try:
        return load(path, os.environ, only=only)
    except ConfigurationError as error:
        exit_with_problems(error.problems)


def exit_with_problems(problems: list[tuple[str, str]]) -> NoReturn:
    """Print every problem by its key, without values (promise 15)."""
    if err.is_terminal:
        table = Table("key", "problem", title="The configuration can't be used", title_justify="left")
        for problem in problems:
            table.add_row(*problem)
        err.print(table)
    else:
        for key, sentence in problems:
            print(f"configuration: {key}: {sentence}", file=sys.stderr)
    raise typer.Exit(2)


def fail(message: str) -> NoReturn:
    """Print *message*, which may hold rich's markup, and exit with status 1."""
    err.print(message, soft_wrap=True, highlight=False)
    raise typer.Exit(1)


def run(work: Coroutine[None, None, T]) -> T:
    """Run *work* on uvloop if it is installed, else on asyncio's own loop."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(work)
    return uvloop.run(work)


def run_listeners(work: Coroutine[None, None, None]) -> None:
    """Run *work*, which listens; if it can't, say which setting to change and exit with status 1."""
    from gateway.process import CantListen

    try:
        run(work)
    except CantListen as error:
        fail(f"[red]{error.key}:[/] {error.sentence}.")


def on_the_store(
    work: Callable[Concatenate["Settings", P], Coroutine[None, None, T]],
    config: Path | None,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run *work* with the configuration, or say why it can't be done and exit.

    Events go to standard error. The memory store is inside the serving process, so no command can reach it.
    """
    settings = settings_or_exit(config)
    from gateway.errors import StoreUnavailable
    from gateway.telemetry import log_setup

    log_setup.configure()
    if not settings.store.durable:
        fail(
            f"[red]The {settings.store.kind} store is inside the serving process. To clear it, restart the process.[/]"
        )
    try:
        return run(work(settings, *args, **kwargs))
    except Refused as refusal:
        fail(f"[red]{refusal}[/]")
    except StoreUnavailable as error:
        fail(
            "[red]None of `keys` opens what the store holds:[/] a key was removed before `headgate reseal` was run."
            if error.reason == "unsealable"
            else "[red]The store can't be reached.[/]"
        )
