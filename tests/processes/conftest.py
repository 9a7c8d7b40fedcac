"""Fixtures of this package: databases of their own, copied from one that is created once."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.migrated_database import copy_files


@pytest.fixture
def data_dir(migrated_database: Path, empty_data_dir: Path) -> Path:
    """A data directory with a migrated database, as `maas up` leaves it before its first call."""
    copy_files(migrated_database, empty_data_dir / "postgres")
    return empty_data_dir


@pytest.fixture
def empty_data_dir() -> Iterator[Path]:
    """An empty folder outside pytest's own, which only its owner may enter."""
    with tempfile.TemporaryDirectory(prefix="maas-test-") as folder:
        yield Path(folder)
