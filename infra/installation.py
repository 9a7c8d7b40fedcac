"""The installation: its data directory, its database and the lock of `maas up`.

Only one `maas up` runs on a data directory at a time. It creates files with owner-only modes and
repairs the modes of existing ones.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.database.embedded_postgres import start_postgres
from infra.database.migrate import migrate
from infra.errors import AppError
from infra.private_files import private_folder, private_umask, repair_modes
from infra.settings import Settings


class AlreadyRunning(AppError):
    """Another `maas up` runs on this data directory."""

    code = "already_running"


@dataclass(frozen=True, slots=True)
class RunningInstance:
    """Process id and URL of the running `maas up`, stored in the lock file."""

    pid: int
    url: str


@contextmanager
def migrated_database_url(settings: Settings) -> Iterator[str]:
    """Context with the URL of the migrated database; starts the embedded server if needed.

    On an external server older gateways may still run, so contract steps are left to
    `maas migrate --contract`. Raises DataDirectoryBroken and the errors of `migrate`.
    """
    with database_server_url(settings) as url:
        migrate(url, contract=settings.database_url is None)
        yield url


@contextmanager
def database_server_url(settings: Settings) -> Iterator[str]:
    """Context with the URL of the database, without migrating it. Raises DataDirectoryBroken."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    postgres = start_postgres(settings.data_dir / "postgres")
    try:
        yield postgres.url
    finally:
        postgres.stop()


@contextmanager
def lock_data_directory(directory: Path, instance: RunningInstance) -> Iterator[None]:
    """Hold the exclusive lock on the data directory. Raises AlreadyRunning with its holder.

    The lock is a flock, which the kernel releases when the process ends, however it ends.
    """
    private_folder(directory)
    descriptor = os.open(directory / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    with private_umask(), os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_describe_running(file.read(), directory)) from None
        file.truncate()
        file.write(json.dumps(asdict(instance)))
        file.flush()
        repair_modes(directory)
        yield


def _describe_running(text: str, directory: Path) -> str:
    """Return the message of AlreadyRunning; `text` is the lock file's JSON or is incomplete."""
    try:
        instance = RunningInstance(**json.loads(text))
    except (ValueError, TypeError):
        return f"Another `maas up` is starting with the data directory {directory}."
    return (
        f"The data directory {directory} is in use by {instance.url} (process {instance.pid}). "
        "Stop that process first."
    )
