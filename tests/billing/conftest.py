"""A database for tests of billing, without any gateway."""

from collections.abc import AsyncIterator

import pytest

from infra.db import Database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, pool_size=2)
    yield made
    await made.close()
