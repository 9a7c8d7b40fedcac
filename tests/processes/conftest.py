"""Fixtures of this package: databases of their own, copied from one that is created once."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.database.embedded_postgres import start_postgres
from infra.database.migrate import migrate
from tests.support import builders


@pytest.fixture(scope="session")
def _made_database() -> Iterator[Path]:
    """The files of a migrated database, whose server has been stopped."""
    with tempfile.TemporaryDirectory(prefix="maas-test-") as name:
        folder = Path(name) / "postgres"
        server = start_postgres(folder)
        builders.without_syncing(server.url)
        migrate(server.url)
        server.stop()
        yield folder


@pytest.fixture
def data_dir(_made_database: Path, empty_data_dir: Path) -> Path:
    """A data directory with a migrated database, as `maas up` leaves it before its first call."""
    target = empty_data_dir / "postgres"
    # With file owners: PostgreSQL started by root runs as another user.
    subprocess.run(["cp", "-a", _made_database, target], check=True)
    for of_the_first in (".handle_pids.json", "log"):
        (target / of_the_first).unlink(missing_ok=True)
    return empty_data_dir


@pytest.fixture
def empty_data_dir() -> Iterator[Path]:
    """An empty folder outside pytest's own, which only its owner may enter."""
    with tempfile.TemporaryDirectory(prefix="maas-test-") as folder:
        yield Path(folder)
