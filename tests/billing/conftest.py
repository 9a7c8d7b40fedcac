"""Fixtures of billing tests: a database without a gateway."""

from collections.abc import AsyncIterator

import pytest

from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.fakes.stripe.running import FakeStripe, run_fake_stripe
from tests.support.stories.story import Story


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[DirectConnection]:
    made = DirectConnection(database_url, 30.0)
    yield made
    await made.close()


@pytest.fixture
async def story(database: Database) -> Story:
    """Accounts with plans and usage in October 2026 in China, as steps of a story."""
    return Story(database)


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeStripe]:
    """Stripe's stand-in on a socket of this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with run_fake_stripe() as running:
        yield running
