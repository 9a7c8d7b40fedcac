"""Identity services on a real database, and an account with its owner."""

from collections.abc import AsyncIterator

import pytest

from billing.tables import Account
from gateway.identity.links import Links
from gateway.identity.services import build_identity
from infra.database.database import Database
from tests.support.gateway.desks import Desk, Someone
from tests.support.passwords import QUICK
from tests.support.stories.story import Calendar


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    database = Database(database_url, pool_size=8)
    clock = Calendar()
    links = Links("https://maas.example")
    yield Desk(database, clock, build_identity(database, clock, b"s" * 32, links, QUICK))
    await database.close()


@pytest.fixture
async def firm(desk: Desk) -> Account:
    return await desk.account("Acme 精密")


@pytest.fixture
async def owner(desk: Desk, firm: Account) -> Someone:
    return await desk.someone(firm.id, "li@acme.example")
