"""What an operator changes in the store: unlock, forget-devices, reset-factors, init-store, reseal.

Each command opens the store that the gateway uses, and may run while the gateway serves. The memory store is inside
the serving process, so no command can reach it.
"""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Concatenate, ParamSpec, TypeVar

import typer

from gateway.account import Enrolment
from gateway.cli.command import ConfigFile, err, fail, out, run, settings_or_exit
from gateway.errors import StoreUnavailable

if TYPE_CHECKING:
    from gateway.settings import Settings

T = TypeVar("T")
P = ParamSpec("P")

commands = typer.Typer()
Uid = Annotated[str, typer.Argument(help="Drupal's uid of the account.")]


@commands.command()
def unlock(uid: Uid, config: ConfigFile = None) -> None:
    """Unlock an account that wrong codes have locked."""
    on_the_store(clear_locks, config, uid=uid)
    out.print(f"[green]Account {uid} is unlocked.[/]")


async def clear_locks(settings: "Settings", *, uid: str) -> None:
    """Clear the account's counts of wrong codes. Raises StoreUnavailable."""
    from gateway.flood.limits import locks

    async with settings.store.open(settings.sealer()) as backend:
        await backend.counters.clear(locks(uid))


@commands.command()
def forget_devices(uid: Uid, config: ConfigFile = None) -> None:
    """Forget an account's remembered devices, so that its next login needs a code again."""
    forgotten = on_the_store(remove_devices, config, uid=uid)
    out.print(f"[green]Forgotten devices of account {uid}: {forgotten}.[/]")


async def remove_devices(settings: "Settings", *, uid: str) -> int:
    """Forget every remembered device of the account; return how many there were. Raises StoreUnavailable."""
    from gateway.policy.devices import forget

    async with settings.store.open(settings.sealer()) as backend:
        enrolment = await backend.enrolments.find(uid)
        await backend.enrolments.update(uid, forget)
        return len(enrolment.devices) if enrolment else 0


@commands.command()
def reset_factors(uid: Uid, config: ConfigFile = None) -> None:
    """Remove an account's authenticator app, recovery codes and remembered devices; send no mail."""
    from gateway.telemetry import logs

    logs.configure()
    had_app = on_the_store(remove_factors, config, uid=uid)
    out.print(f"[green]The app of account {uid} is removed.[/]" if had_app else f"[yellow]Account {uid} had no app.[/]")


async def remove_factors(settings: "Settings", *, uid: str) -> bool:
    """Remove the app, the recovery codes and the remembered devices; return whether there was an app.

    The enrolment itself stays: its `revoked_at` makes every manageToken from before void. Raises StoreUnavailable.
    """
    import structlog

    log, now = structlog.get_logger(), time.time()

    def without_factors(enrolment: Enrolment | None) -> Enrolment:
        return replace((enrolment or Enrolment(uid=uid)).remove(now=now), devices=())

    async with settings.store.open(settings.sealer()) as backend:
        found = await backend.enrolments.find(uid)
        await backend.enrolments.update(uid, without_factors)
        had_app = found is not None and found.totp_secret is not None
        log.info("factors.reset", uid=uid, had=had_app)
        return had_app


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

    from gateway.telemetry import logs

    logs.configure()
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


def on_the_store(
    work: Callable[Concatenate["Settings", P], Coroutine[None, None, T]],
    config: Path | None,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run *work* with the configuration, or say why its store can't be used and exit."""
    settings = settings_or_exit(config)
    if not settings.store.durable:
        fail(
            f"[red]The {settings.store.kind} store is inside the serving process. To clear it, restart the process.[/]"
        )
    try:
        return run(work(settings, *args, **kwargs))
    except StoreUnavailable as error:
        fail(
            "[red]None of `keys` opens what the store holds:[/] a key was removed before `headgate reseal` was run."
            if error.reason == "unsealable"
            else "[red]The store can't be reached.[/]"
        )
