"""Back up and restore the whole database with pg_dump and pg_restore.

The programs are those of the embedded PostgreSQL's Python package. A backup file is complete or
absent; a restore needs an empty database and is all or nothing.
"""

import os
import subprocess
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from infra.database.connect import driver_url
from infra.database.embedded_postgres import postgres_program
from infra.errors import AppError

_SUFFIX = ".dump"
# --no-comments: only the owner of an extension, often an administrator, may comment on it.
_RESTORE_OPTIONS = (
    "--single-transaction --exit-on-error --no-owner --no-privileges --no-comments".split()
)
_COUNT_TABLES = """
    select count(*) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')
"""


class BackupFailed(AppError):
    """The backup or the restore failed; the database is unchanged."""

    code = "backup_failed"


class DatabaseNotEmpty(AppError):
    """The database has tables; a backup is only restored into an empty one."""

    code = "database_not_empty"


def create_backup(url: str, file: Path) -> int:
    """Dump the database to `file` while it is in use. Returns the size in bytes.

    Raises BackupFailed.
    """
    if file.exists():
        raise BackupFailed(
            f"{file} exists already. Choose another file: backups are not overwritten."
        )
    partial = file.with_name(f".{file.name}.partial")
    try:
        # The dump contains customer data, so it is created owner-only.
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        _run(
            "pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={partial}"
        )
        _fsync(partial)
        partial.rename(file)
        _fsync(file.parent)
    except OSError as error:
        raise BackupFailed(f"Cannot write the backup to {file}: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return file.stat().st_size


def restore_backup(url: str, file: Path) -> None:
    """Restore a dump into the empty database. Raises DatabaseNotEmpty, BackupFailed."""
    if not file.is_file():
        raise BackupFailed(f"The backup file {file} does not exist.")
    _require_empty(url)
    _run("pg_restore", url, *_RESTORE_OPTIONS, str(file))


def delete_old_backups(folder: Path, number: int) -> None:
    """Delete all but the `number` newest backups of a folder, by their names."""
    for old in sorted(folder.glob(f"maas-*{_SUFFIX}"))[:-number]:
        old.unlink()


def backup_file_name(moment: str) -> str:
    """Return the file name of a backup at a moment such as `20261126T205400Z`."""
    return f"maas-{moment}{_SUFFIX}"


def _require_empty(url: str) -> None:
    """Raise DatabaseNotEmpty if the database of the URL has any table."""
    engine = create_engine(driver_url(url), connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            if connection.scalar(text(_COUNT_TABLES)):
                raise DatabaseNotEmpty(
                    "The database is not empty. Restore into a new database, or move the folder "
                    "`postgres` of the data directory away first."
                )
    finally:
        engine.dispose()


def _run(name: str, url: str, *arguments: str) -> None:
    """Run a PostgreSQL program; the password is in the environment, not in the arguments."""
    parsed_url = make_url(driver_url(url))
    public_url = parsed_url.set(drivername="postgresql", password=None).render_as_string()
    password = {"PGPASSWORD": parsed_url.password} if parsed_url.password else {}
    completed = subprocess.run(  # noqa: S603  # PostgreSQL's own programs
        [postgres_program(name), f"--dbname={public_url}", *arguments],
        env={**os.environ, **password},
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        error_lines = completed.stderr.strip().splitlines() or ["no error message"]
        raise BackupFailed(f"{name} failed: {error_lines[0][:300]}")


def _fsync(path: Path) -> None:
    """Flush a file's content to disk, so that it survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
