"""`maas migrate`, `maas backup`, `maas restore`: the database as a whole."""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.metering.usage import list_usage, show_usage
from gateway.cli.output import Terminal
from gateway.cli.runner import Json, tell
from infra.clock import SystemClock
from infra.database.backup import BackupFailed, back_up, keep_newest, name_of, restore
from infra.database.database import Database
from infra.database.migrate import migrate, newest_revision
from infra.installation import Running, only_one, server_url
from infra.settings import Settings


def migrate_now(
    contract: Annotated[
        bool, typer.Option("--contract", help="Also take away what only older gateways use.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the database to what this version needs. Gateways of the version before go on beside
    it; what takes away from them waits for --contract, when none of them is left."""

    def work(settings: Settings, terminal: Terminal) -> None:
        with server_url(settings) as url:
            waiting = migrate(url, contract=contract)
        said = {"newest": newest_revision(), "waiting_for_contract": list(waiting)}
        terminal.record("The database is ready for this version.", said)

    tell(as_json, work)


def back_up_now(
    target: Annotated[Path, typer.Argument(help="A file yet to be made, or a folder.")],
    keep: Annotated[
        int | None, typer.Option(min=1, help="Remove all but so many backups of the folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the whole database to a file; calls go on. The secret key is not in it: keep it too,
    elsewhere, for without it no API key can be checked."""

    def work(settings: Settings, terminal: Terminal) -> None:
        file = target
        if target.is_dir():
            file = target / name_of(SystemClock().now().strftime("%Y%m%dT%H%M%SZ"))
        elif keep is not None:
            raise BackupFailed("--keep is for a folder of backups.")
        with server_url(settings) as url:
            size = back_up(url, file)
        if keep is not None:
            keep_newest(target, keep)
        terminal.record("Backed up.", {"file": str(file), "bytes": size})

    tell(as_json, work)


def restore_now(
    file: Annotated[Path, typer.Argument(help="What `maas backup` wrote.")],
    as_json: Json = False,
) -> None:
    """Bring a backup back into an empty database: a new one, or an embedded one whose folder was
    moved away. No gateway may run."""

    def work(settings: Settings, terminal: Terminal) -> None:
        me = Running(os.getpid(), "no address, it restores a backup")
        with only_one(settings.data_dir, me), server_url(settings) as url:
            restore(url, file)
            migrate(url, contract=settings.database_url is None)
            newest = asyncio.run(_newest_call(url))
        said = {"file": str(file), "newest_call": newest, "next": "maas reconcile"}
        terminal.record("Restored.", said)

    tell(as_json, work)


async def _newest_call(url: str) -> Any:
    """When the last call began that the backup knows of: what came later is lost."""
    database = Database(url, pool_size=1)
    try:
        async with database.transaction() as session:
            rows = await list_usage(session, account_id=None, limit=1)
    finally:
        await database.close()
    return show_usage(rows[0])["started_at"] if rows else None
