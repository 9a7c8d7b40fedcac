"""`maas migrate`, `maas backup`, `maas restore`: operations on the whole database."""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.metering.usage import list_usage, usage_to_json
from gateway.cli.results import Record
from gateway.cli.runner import command
from infra.clock import Clock
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


@command
def migrate_now(
    settings: Settings,
    contract: Annotated[
        bool,
        typer.Option(
            "--contract",
            help="Also apply changes that break earlier versions. Stop their gateways first.",
        ),
    ] = False,
) -> Record:
    """Migrate the database to this version.

    Gateways of the previous version keep working. Changes that would break them are applied only
    with --contract.
    """
    with database_server_url(settings) as url:
        waiting = migrate(url, contract=contract)
    result = {"newest": newest_revision(), "waiting_for_contract": list(waiting)}
    return Record("Database migrated.", result)


@command
def back_up_now(
    settings: Settings,
    clock: Clock,
    target: Annotated[Path, typer.Argument(help="New file, or folder to write the backup to.")],
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="Number of backups to keep in the folder. Deletes older ones."),
    ] = None,
) -> Record:
    """Back up the database to a file.

    The service can keep running. The secret key is not included: store it separately, or restored
    API keys cannot be verified.
    """
    file = target
    if target.is_dir():
        file = target / backup_file_name(clock.now().strftime("%Y%m%dT%H%M%SZ"))
    elif keep is not None:
        raise BackupFailed(f"--keep needs a folder, but {target} is not one.")
    with database_server_url(settings) as url:
        size = create_backup(url, file)
    if keep is not None:
        delete_old_backups(target, keep)
    return Record("Backup created.", {"file": str(file), "bytes": size})


@command
def restore_now(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="Backup file written by `maas backup`.")],
) -> Record:
    """Restore a database backup.

    The target database must be empty: a new one, or the embedded database after you moved its
    folder away. Stop all gateways first.
    """
    this_process = RunningInstance(os.getpid(), "`maas restore`")
    with (
        lock_data_directory(settings.data_dir, this_process),
        database_server_url(settings) as url,
    ):
        restore_backup(url, file)
        migrate(url, contract=settings.database_url is None)
        newest = asyncio.run(_newest_call_time(url))
    result = {"file": str(file), "newest_call": newest, "next": "maas reconcile"}
    return Record("Backup restored.", result)


async def _newest_call_time(url: str) -> Any:
    """Return the start of the newest call in a restored database; later calls are lost."""
    database = Database(url, pool_size=1)
    try:
        async with database.transaction() as session:
            rows = await list_usage(session, account_id=None, limit=1)
    finally:
        await database.close()
    return usage_to_json(rows[0])["started_at"] if rows else None
