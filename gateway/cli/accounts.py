"""One account, for a helpdesk: account shows its state; unlock, forget-devices and reset-factors change it.

An account is given by Drupal's uid, or by its name. The gateway knows only the names of accounts with wrong codes, an
authenticator app or a remembered device. A command that would change nothing fails, so that nobody takes a wrong uid
for success. Each change is an event, on the command's own standard error.
"""

import json
import os
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from gateway.account import Enrolment
from gateway.cli.command import ConfigFile, Refused, on_the_store, out

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from gateway.cli.account_state import AccountState, WrongCodes
    from gateway.interfaces import Backend
    from gateway.settings import Settings

commands = typer.Typer()

UID = re.compile(r"[1-9][0-9]{0,9}")
Account = Annotated[
    str,
    typer.Argument(
        metavar="UID|NAME",
        help="Drupal's uid, or the name of an account with wrong codes, an app or a remembered device.",
    ),
]


@commands.command("account")
def show_account(
    account: Account,
    config: ConfigFile = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the locks, counts, factors, devices and open logins of an account."""
    state = on_the_store(read_state, config, account=account)
    if as_json:
        print(json.dumps(asdict(state), indent=2))
    else:
        out.print(as_table(state))


@commands.command()
def unlock(account: Account, config: ConfigFile = None) -> None:
    """Unlock an account that wrong codes have locked."""
    uid = on_the_store(clear_locks, config, account=account)
    out.print(f"[green]Account {uid} is unlocked.[/]")


@commands.command()
def forget_devices(account: Account, config: ConfigFile = None) -> None:
    """Forget an account's remembered devices, so that its next login needs a code again."""
    uid, forgotten = on_the_store(remove_devices, config, account=account)
    out.print(f"[green]Forgotten devices of account {uid}: {forgotten}.[/]")


@commands.command()
def reset_factors(account: Account, config: ConfigFile = None) -> None:
    """Remove an account's authenticator app, recovery codes and remembered devices; send no mail."""
    uid, had_app = on_the_store(remove_factors, config, account=account)
    out.print(
        f"[green]The app of account {uid} is removed.[/]"
        if had_app
        else f"[yellow]Account {uid} had no app.[/] The rest is removed."
    )


async def read_state(settings: "Settings", *, account: str) -> "AccountState":
    """Read the state of the account. Raises Refused and StoreUnavailable."""
    from gateway.cli.account_state import account_state

    async with opened(settings, account) as (backend, uid):
        return await account_state(backend, uid, now=time.time())


async def clear_locks(settings: "Settings", *, account: str) -> str:
    """Clear the account's counts of wrong codes; return its uid. Raises Refused and StoreUnavailable."""
    from gateway.cli.account_state import account_state
    from gateway.flood.limits import locks

    async with opened(settings, account) as (backend, uid):
        state = await account_state(backend, uid, now=time.time())
        if not any(counted.in_30_days or counted.lock for counted in state.wrong_codes):
            raise Refused(f"Account {uid} has no wrong codes, so there is nothing to unlock.")
        await backend.counters.clear(locks(uid))
        log = operators_log()
        log.info("account.unlocked", uid=uid)
        return uid


async def remove_devices(settings: "Settings", *, account: str) -> tuple[str, int]:
    """Forget the account's devices; return its uid and how many there were. Raises Refused and StoreUnavailable."""
    from gateway.policy.devices import forget

    async with opened(settings, account) as (backend, uid):
        enrolment = await backend.enrolments.find(uid)
        if enrolment is None or not enrolment.devices:
            raise Refused(f"Account {uid} has no remembered devices.")
        await backend.enrolments.update(uid, forget)
        log = operators_log()
        log.info("devices.forgotten", uid=uid, devices=len(enrolment.devices))
        return uid, len(enrolment.devices)


async def remove_factors(settings: "Settings", *, account: str) -> tuple[str, bool]:
    """Remove the app, the recovery codes and the remembered devices; return the uid and whether there was an app.

    The enrolment itself stays: its `revoked_at` makes every manageToken from before void. Raises Refused and
    StoreUnavailable.
    """
    now = time.time()

    def without_factors(enrolment: Enrolment | None) -> Enrolment:
        return replace((enrolment or Enrolment(uid=uid)).remove(now=now), devices=())

    async with opened(settings, account) as (backend, uid):
        found = await backend.enrolments.find(uid)
        if found is None or not (found.totp_secret or found.pending or found.devices):
            raise Refused(f"Account {uid} has no app and no remembered devices.")
        await backend.enrolments.update(uid, without_factors)
        had_app = found.totp_secret is not None
        log = operators_log()
        log.info("factors.reset", uid=uid, had=had_app)
        return uid, had_app


def operators_log() -> "FilteringBoundLogger":
    """Return a log whose events say which user of the operating system runs the command: a number, never a name."""
    import structlog

    log: FilteringBoundLogger = structlog.get_logger()
    return log.bind(by=os.getuid())


@asynccontextmanager
async def opened(settings: "Settings", account: str) -> "AsyncGenerator[tuple[Backend, str]]":
    """Open the store; yield it and the uid of *account*. Raises Refused for a name of no account or of several."""
    async with settings.store.open(settings.sealer()) as backend:
        yield backend, account if UID.fullmatch(account) else await uid_of(backend, account)


async def uid_of(backend: "Backend", name: str) -> str:
    from gateway.collation import fold

    uids = await backend.names.uids(fold(name)) if backend.names else []
    if not uids:
        raise Refused(
            "This is no uid, and the gateway does not know this name: it knows only names with wrong codes, an app "
            "or a remembered device. Give Drupal's uid, the number in /user/UID."
        )
    if len(uids) == 1:
        return uids[0]
    raise Refused(f"Several accounts have this name or a similar one: {', '.join(uids)}. Give the uid.")


def as_table(state: "AccountState") -> Table:
    table = Table(title=f"Account {state.uid}", title_justify="left", show_header=False)
    for counted in state.wrong_codes:
        table.add_row(f"Wrong codes, {counted.networks} networks", counts_and_lock(counted))
    used = f", last used {state.app_last_used}" if state.app_last_used else ""
    table.add_row("Authenticator app", f"yes{used}" if state.app else "no")
    table.add_row("Recovery codes left", str(state.recovery_codes_left))
    table.add_row("Remembered devices", str(len(state.devices)))
    for device in state.devices:
        table.add_row("", f"{device.client}, until {device.expires_at}")
    table.add_row("Open logins", str(state.open_logins))
    return table


def counts_and_lock(counted: "WrongCodes") -> str:
    counts = f"{counted.since_success} since the last success, {counted.in_30_days} in 30 days"
    if counted.lock is None:
        return counts
    until = counted.locked_until or f"`headgate unlock` ({counted.lock})"
    return f"{counts}\n[red]locked until {until}[/]"
