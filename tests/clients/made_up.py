"""A gateway with a made-up model, for the clients: with no engine, a failure is the gateway's."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from infra.database.embedded_postgres import start_postgres
from infra.database.migrate import migrate
from tests.clients.able_model import run_able_model
from tests.support import builders


@asynccontextmanager
async def run_made_up() -> AsyncIterator[tuple[str, str]]:
    """Run PostgreSQL, the model and a gateway until the block ends; yields URL and key."""
    with _run_postgres() as (folder, database_url):
        async with run_able_model() as model:
            configured = builders.settings(database_url, folder / "data", model)
            async with builders.run_gateway(configured) as gateway:
                yield gateway.url, gateway.key.secret


@contextmanager
def _run_postgres() -> Iterator[tuple[Path, str]]:
    """Run PostgreSQL with an empty, migrated database; yields a folder and the URL."""
    with tempfile.TemporaryDirectory(prefix="maas-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL started by root runs as another user
        server = start_postgres(folder / "postgres")
        try:
            migrate(server.url)
            yield folder, server.url
        finally:
            server.stop()
