"""The configuration and its keys: check-config, schema, new-key, hash-key."""

import base64
import hashlib
import json
import os
import secrets
import sys
from typing import Annotated, Literal

import typer
from rich.markup import escape

from gateway.cli.command import ConfigFile, fail, out, settings_or_exit

commands = typer.Typer()


@commands.command()
def check_config(
    config: ConfigFile = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 1 if there are warnings.")] = False,
) -> None:
    """Report every problem of the configuration, and what is risky about it; start nothing."""
    warnings = settings_or_exit(config).warnings()
    for key, sentence in warnings:
        out.print(f"[yellow]warning:[/] [bold]{escape(key)}[/] {escape(sentence)}", soft_wrap=True, highlight=False)
    out.print("[green]The configuration is valid.[/]")
    if warnings and strict:
        raise typer.Exit(1)


@commands.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from gateway.cli.schema import configuration_schema

    print(json.dumps(configuration_schema(), indent=2))


@commands.command()
def new_key(kind: Annotated[Literal["api", "seal", "index"], typer.Argument(help="What the key is for.")]) -> None:
    """Create a key and print it."""
    match kind:
        case "api":
            print(secrets.token_urlsafe(32))
        case "seal":
            print(f"k{secrets.token_hex(3)}:{base64.b64encode(os.urandom(32)).decode()}")
        case "index":
            print(base64.b64encode(os.urandom(32)).decode())


@commands.command()
def hash_key() -> None:
    """Read an apiKey from standard input and print its `api_key_sha256`, for a frontend that keeps the key it has."""
    key = typer.prompt("apiKey", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not key:
        fail("[red]No key on standard input.[/]")
    print(hashlib.sha256(key.encode()).hexdigest())
