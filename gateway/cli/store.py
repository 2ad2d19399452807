"""What an operator does with the store as a whole: init-store and reseal.

Each command opens the store that the gateway uses, and may run while the gateway serves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import typer

from gateway.cli.command import ConfigFile, err, fail, on_the_store, out
from gateway.errors import StoreUnavailable

if TYPE_CHECKING:
    from gateway.settings import Settings

commands = typer.Typer()


@commands.command()
def init_store(config: ConfigFile = None) -> None:
    """Mark the store, so that the gateway notices if the store is ever emptied."""
    was_marked = on_the_store(mark_store, config)
    out.print("[green]The store was marked before.[/]" if was_marked else "[green]The store is marked.[/]")


async def mark_store(settings: "Settings") -> bool:
    """Write the mark of a store that has not been emptied; return whether it was there. Raises StoreUnavailable."""
    async with settings.store.open(settings.sealer()) as backend:
        was_marked = await backend.enrolments.initialised()
        await backend.enrolments.initialise()
        return was_marked


@commands.command()
def reseal(config: ConfigFile = None) -> None:
    """Seal every enrolment with the first of `keys`, so that older keys can be removed."""
    from rich.progress import Progress, SpinnerColumn, TextColumn

    with Progress(SpinnerColumn(), TextColumn("{task.completed} enrolments"), console=err, transient=True) as progress:
        advance = partial(progress.advance, progress.add_task("", total=None))
        counts = on_the_store(reseal_enrolments, config, advance=advance)
    out.print(f"[green]Resealed enrolments: {counts.resealed}.[/]")
    if counts.unreadable:
        fail(f"[red]Enrolments that none of `keys` opens: {counts.unreadable}.[/] These accounts can't log in.")


@dataclass(frozen=True, kw_only=True, slots=True)
class ResealCounts:
    """How many enrolments were sealed again, and how many can't be opened by any key."""

    resealed: int
    unreadable: int


async def reseal_enrolments(settings: "Settings", *, advance: Callable[[], None]) -> ResealCounts:
    """Seal with the first key what an older key has sealed: the enrolments and the store's mark.

    *advance* is called after each enrolment. Raises StoreUnavailable, also if none of the keys opens the mark.
    """
    async with settings.store.open(settings.sealer()) as backend:
        enrolments = backend.enrolments
        if await enrolments.initialised():
            await enrolments.initialise()
        # A set: a scan of the store may return a uid more than once.
        resealed, unreadable = 0, set()
        async for uid in enrolments.uids():
            try:
                resealed += await enrolments.reseal(uid)
            except StoreUnavailable as error:
                if error.reason != "unsealable":
                    raise
                unreadable.add(uid)
            advance()
        return ResealCounts(resealed=resealed, unreadable=len(unreadable))
