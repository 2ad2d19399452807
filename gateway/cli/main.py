"""The `headgate` command: serve, demo, version, and the commands of the other files."""

from typing import Annotated

import typer

from gateway import __version__
from gateway.cli.accounts import commands as account_commands
from gateway.cli.command import ConfigFile, fail, run_listeners, settings_or_exit
from gateway.cli.config import commands as config_commands
from gateway.cli.messages import commands as message_commands
from gateway.cli.store import commands as store_commands

# A plain installation has no aiosmtpd, and the production image no gateway.demo.
DEMO_MODULES = frozenset({"aiosmtpd", "gateway.demo"})

app = typer.Typer(
    name="headgate",
    help="A second factor in front of an unchanged Drupal site.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    app()


@app.command()
def serve(config: ConfigFile = None) -> None:
    """Serve requests until SIGTERM."""
    settings = settings_or_exit(config)
    from gateway import process
    from gateway.telemetry import log_setup

    log_setup.configure(format=settings.log.format, level=settings.log.level)
    run_listeners(process.serve(settings))


def are_origins(origins: list[str] | None) -> list[str] | None:
    """Refuse what no browser sends as an origin. Raises typer.BadParameter."""
    from pydantic import ValidationError

    from gateway.settings import ClientOptions

    try:
        ClientOptions.model_validate({"id": "demo", "api_key": "demo", "origins": origins or ()})
    except ValidationError:
        raise typer.BadParameter("An origin is scheme and host, such as https://app.example, without a path.") from None
    return origins


def is_site(url: str | None) -> str | None:
    """Refuse what is no address of a site. Raises typer.BadParameter."""
    from gateway.options import http_address

    try:
        return http_address(url or None)
    except ValueError as error:
        raise typer.BadParameter(f"DRUPAL_URL {error}.") from None


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="The port of the login page.")] = 8080,
    drupal_url: Annotated[
        str | None,
        typer.Option(envvar="DRUPAL_URL", callback=is_site, help="Use this site instead of the simulated one."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    drupal_port: Annotated[int, typer.Option(help="The port of the simulated Drupal; 0 takes a free one.")] = 0,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            callback=are_origins,
            help="The origin of a frontend whose pages may call the API (CORS), such as http://localhost:3000. "
            "Give the option once for each origin.",
        ),
    ] = None,
) -> None:
    """Start a gateway, a simulated Drupal, a mailbox and a login page in one process."""
    try:
        from gateway.demo.stage import play
    except ModuleNotFoundError as error:
        if error.name not in DEMO_MODULES:
            raise
        fail("The demo is not installed. Run [bold]pip install 'headgate\\[demo]'[/], or use the image target `demo`.")
    run_listeners(play(host=host, port=port, drupal_url=drupal_url, drupal_port=drupal_port, origins=origin or ()))


app.add_typer(config_commands)
app.add_typer(message_commands)
app.add_typer(account_commands)
app.add_typer(store_commands)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)
