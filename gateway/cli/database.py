"""`maas migrate`, `maas backup`, `maas restore`: operations on the whole database."""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.metering.usage import list_usage, usage_to_json
from gateway.cli.output import Output
from gateway.cli.runner import Json, run_command
from infra.clock import SystemClock
from infra.database.backup import (
    BackupFailed,
    backup_file_name,
    create_backup,
    delete_old_backups,
    restore_backup,
)
from infra.database.database import Database
from infra.database.migrate import migrate, newest_revision
from infra.installation import RunningInstance, database_server_url, lock_data_directory
from infra.settings import Settings


def migrate_now(
    contract: Annotated[
        bool, typer.Option("--contract", help="Also take away what only older gateways use.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the database to what this version needs. Gateways of the version before go on beside
    it; what takes away from them waits for --contract, when none of them is left."""

    def execute(settings: Settings, output: Output) -> None:
        with database_server_url(settings) as url:
            waiting = migrate(url, contract=contract)
        result = {"newest": newest_revision(), "waiting_for_contract": list(waiting)}
        output.record("The database is ready for this version.", result)

    run_command(as_json, execute)


def back_up_now(
    target: Annotated[Path, typer.Argument(help="A file yet to be made, or a folder.")],
    keep: Annotated[
        int | None, typer.Option(min=1, help="Remove all but so many backups of the folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the whole database to a file; calls go on. The secret key is not in it: keep it too,
    elsewhere, for without it no API key can be checked."""

    def execute(settings: Settings, output: Output) -> None:
        file = target
        if target.is_dir():
            file = target / backup_file_name(SystemClock().now().strftime("%Y%m%dT%H%M%SZ"))
        elif keep is not None:
            raise BackupFailed("--keep is for a folder of backups.")
        with database_server_url(settings) as url:
            size = create_backup(url, file)
        if keep is not None:
            delete_old_backups(target, keep)
        output.record("Backed up.", {"file": str(file), "bytes": size})

    run_command(as_json, execute)


def restore_now(
    file: Annotated[Path, typer.Argument(help="What `maas backup` wrote.")],
    as_json: Json = False,
) -> None:
    """Bring a backup back into an empty database: a new one, or an embedded one whose folder was
    moved away. No gateway may run."""

    def execute(settings: Settings, output: Output) -> None:
        this_process = RunningInstance(os.getpid(), "no address, it restores a backup")
        with (
            lock_data_directory(settings.data_dir, this_process),
            database_server_url(settings) as url,
        ):
            restore_backup(url, file)
            migrate(url, contract=settings.database_url is None)
            newest = asyncio.run(_newest_call_time(url))
        result = {"file": str(file), "newest_call": newest, "next": "maas reconcile"}
        output.record("Restored.", result)

    run_command(as_json, execute)


async def _newest_call_time(url: str) -> Any:
    """Return the start of the newest call in a restored database; later calls are lost."""
    database = Database(url, pool_size=1)
    try:
        async with database.transaction() as session:
            rows = await list_usage(session, account_id=None, limit=1)
    finally:
        await database.close()
    return usage_to_json(rows[0])["started_at"] if rows else None
