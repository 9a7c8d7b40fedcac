"""The files of a migrated database, made once for all workers of a run, and copies of them.

To create the files and to migrate them takes more than 3 s of processor time, a copy 0.3 s.
"""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from infra.database.embedded_postgres import start_postgres
from infra.database.migrate import migrate
from tests.support import builders

# What a server leaves in its folder for those that join or follow it.
_OF_THE_FIRST = (".handle_pids.json", "log")


def migrated_files(factory: pytest.TempPathFactory) -> Path:
    """A folder with the files, whose server has stopped; the worker that asks first makes them."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    files = shared / "migrated-database"
    with (shared / "migrated-database.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not files.exists():
            _make(files)
    return files


def copy_files(files: Path, target: Path) -> None:
    """Copy the files with their owners: PostgreSQL started by root runs as another user."""
    subprocess.run(["cp", "-a", files, target], check=True)
    for name in _OF_THE_FIRST:
        (target / name).unlink(missing_ok=True)


def _make(files: Path) -> None:
    # Outside pytest's own folder, which only its owner may enter.
    with tempfile.TemporaryDirectory(prefix="maas-test-") as name:
        folder = Path(name) / "postgres"
        server = start_postgres(folder)
        builders.without_syncing(server.url)
        migrate(server.url)
        server.stop()
        # With owners, which `shutil.move` loses between file systems; whole or not there.
        copy_files(folder, files.with_suffix(".part"))
    files.with_suffix(".part").rename(files)
