"""A sign-up service on a real database, with a settable clock."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.identity.links import Links
from gateway.identity.services import build_identity
from gateway.signups.service import SignupService
from infra.database.database import Database
from infra.secrets.secret_key import secret_key
from infra.settings import Settings
from tests.support.gateway.desks import Desk
from tests.support.gateway.signing_up import Applicant, service, signup_settings
from tests.support.passwords import QUICK
from tests.support.stories.story import Calendar


@pytest.fixture
def given(database_url: str, tmp_path: Path) -> Settings:
    return signup_settings(database_url, tmp_path)


@pytest.fixture
async def desk(database_url: str, given: Settings) -> AsyncIterator[Desk]:
    database, clock = Database(database_url, pool_size=8), Calendar()
    links = Links("https://maas.example")
    yield Desk(database, clock, build_identity(database, clock, secret_key(given), links, QUICK))
    await database.close()


@pytest.fixture
def signups(desk: Desk, given: Settings) -> SignupService:
    return service(desk.database, desk.clock, given)


@pytest.fixture
def applicant(desk: Desk, signups: SignupService) -> Applicant:
    return Applicant(desk, signups)
