"""An installation: one data directory, and the database that belongs to it.

Owns where things lie in the data directory, finding the database (given, or embedded), and that
only one `maas up` runs on it at a time, which creates files for their owner only and repairs the
modes of earlier ones.
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
from infra.private_files import created_private, private_folder, repair
from infra.settings import Settings


class AlreadyRunning(AppError):
    """Another `maas up` holds this data directory."""

    code = "already_running"


@dataclass(frozen=True, slots=True)
class Running:
    """What a running `maas up` says of itself to a second one."""

    pid: int
    url: str


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The migrated database's URL. An embedded server runs for as long as somebody is inside.

    On a server of the operator's own, other gateways may still run that are older: what takes away
    from them is left to `maas migrate --contract`.

    Raises DataDirectoryBroken, and what `migrate` does.
    """
    with server_url(settings) as url:
        migrate(url, contract=settings.database_url is None)
        yield url


@contextmanager
def server_url(settings: Settings) -> Iterator[str]:
    """The same, but that the database is as it was left. Raises DataDirectoryBroken."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    postgres = start_postgres(settings.data_dir / "postgres")
    try:
        yield postgres.url
    finally:
        postgres.stop()


@contextmanager
def only_one(directory: Path, me: Running) -> Iterator[None]:
    """Hold the data directory. Raises AlreadyRunning, saying what already runs.

    The lock is the kernel's: it is free again the moment its holder dies, however it dies.
    """
    private_folder(directory)
    descriptor = os.open(directory / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    with created_private(), os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_describe(file.read(), directory)) from None
        file.truncate()
        file.write(json.dumps(asdict(me)))
        file.flush()
        repair(directory)
        yield


def _describe(text: str, directory: Path) -> str:
    try:
        other = Running(**json.loads(text))
    except (ValueError, TypeError):
        return f"Another `maas up` is starting on {directory}."
    return f"It runs already: {other.url} (process {other.pid}, data in {directory})."
