"""A backup of the whole database, and the way back, by PostgreSQL's own programs from the wheel.

Owns that a backup is whole or is not there, and that a restore goes into an empty database, all of
it or nothing.
"""

import os
import subprocess
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from infra.database.connect import driver_url
from infra.database.embedded_postgres import program
from infra.errors import AppError

_SUFFIX = ".dump"
# Comments: one on an extension may only be made by whoever made that, often an administrator.
_WAY = "--single-transaction --exit-on-error --no-owner --no-privileges --no-comments".split()
_TABLES = """
    select count(*) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')
"""


class BackupFailed(AppError):
    """No backup was made, or one could not be brought back; the database is as it was."""

    code = "backup_failed"


class DatabaseNotEmpty(AppError):
    """A backup is only brought back into a database that holds nothing."""

    code = "database_not_empty"


def back_up(url: str, file: Path) -> int:
    """Write all that the database holds at this moment to `file`; its size in bytes. Calls go on.

    Raises BackupFailed.
    """
    if file.exists():
        raise BackupFailed(f"{file} is there already; a backup is never written over.")
    partial = file.with_name(f".{file.name}.partial")
    try:
        # It holds what customers trusted us with: for nobody else's eyes.
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        _run(
            "pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={partial}"
        )
        _flush(partial)
        partial.rename(file)
        _flush(file.parent)
    except OSError as error:
        raise BackupFailed(f"The backup cannot be written to {file}: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return file.stat().st_size


def restore(url: str, file: Path) -> None:
    """Bring back what `file` holds. Raises DatabaseNotEmpty, BackupFailed."""
    if not file.is_file():
        raise BackupFailed(f"There is no backup {file}.")
    _require_empty(url)
    _run("pg_restore", url, *_WAY, str(file))


def keep_newest(folder: Path, number: int) -> None:
    """Remove all but so many of the folder's backups; their names tell their age."""
    for old in sorted(folder.glob(f"maas-*{_SUFFIX}"))[:-number]:
        old.unlink()


def name_of(moment: str) -> str:
    """The name of a backup of this moment, as `20261126T205400Z`."""
    return f"maas-{moment}{_SUFFIX}"


def _require_empty(url: str) -> None:
    engine = create_engine(driver_url(url), connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            if connection.scalar(text(_TABLES)):
                raise DatabaseNotEmpty(
                    "The database holds tables already. A backup is brought back into an empty "
                    "one: make a new database, or move the data directory's `postgres` away."
                )
    finally:
        engine.dispose()


def _run(name: str, url: str, *arguments: str) -> None:
    """With the password where other users of this machine do not see it."""
    place = make_url(driver_url(url))
    shown = place.set(drivername="postgresql", password=None).render_as_string()
    password = {"PGPASSWORD": place.password} if place.password else {}
    done = subprocess.run(  # noqa: S603  # PostgreSQL's own programs
        [program(name), f"--dbname={shown}", *arguments],
        env={**os.environ, **password},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise BackupFailed(f"{name} failed. It says: {said[0][:300]}")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
