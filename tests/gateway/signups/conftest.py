"""A sign-up service on a real database, with a settable clock."""

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
async def desk(working: Database, given: Settings) -> Desk:
    clock = Calendar()
    links = Links("https://maas.example")
    return Desk(working, clock, build_identity(working, clock, secret_key(given), links, QUICK))


@pytest.fixture
def signups(desk: Desk, given: Settings) -> SignupService:
    return service(desk.database, desk.clock, given)


@pytest.fixture
def applicant(desk: Desk, signups: SignupService) -> Applicant:
    return Applicant(desk, signups)
