"""A database for tests of billing, without any gateway."""

from collections.abc import AsyncIterator

import pytest

from infra.db import Database
from infra.direct import DirectConnection


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, pool_size=2)
    yield made
    await made.close()


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[DirectConnection]:
    made = DirectConnection(database_url, 30.0)
    yield made
    await made.close()
