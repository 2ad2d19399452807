"""What every command shares: the terminal, the configuration, and the event loop."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from gateway.settings import Settings

T = TypeVar("T")

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
