"""Identity services on a real database, and an account with its owner."""

import pytest

from billing.tables import Account
from gateway.identity.links import Links
from gateway.identity.services import build_identity
from infra.database.database import Database
from tests.support.gateway.desks import Desk, Someone
from tests.support.passwords import QUICK
from tests.support.stories.story import Calendar


@pytest.fixture
async def desk(working: Database) -> Desk:
    clock = Calendar()
    links = Links("https://maas.example")
    return Desk(working, clock, build_identity(working, clock, b"s" * 32, links, QUICK))


@pytest.fixture
async def firm(desk: Desk) -> Account:
    return await desk.account("Acme 精密")


@pytest.fixture
async def owner(desk: Desk, firm: Account) -> Someone:
    return await desk.someone(firm.id, "li@acme.example")
