"""Fixtures shared by the gateway tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.database.database import Database
from infra.timing import Timing
from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.fakes.scripted_model import ScriptedModel, run_scripted_model
from tests.support.gateway.commands import Maas, leave_logs_alone
from tests.support.outcomes.outcome_bodies import PUMPS, Signer, propose
from tests.support.outcomes.sender import Sender, add
from tests.support.stories.story import Story


@pytest.fixture
async def maas(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Maas:
    leave_logs_alone(monkeypatch)
    firm = await Story(database).firm("Acme")
    environment = {"MAAS_DATABASE_URL": database_url, "MAAS_DATA_DIR": str(tmp_path)}
    return Maas(environment, firm, tmp_path)


@pytest.fixture
async def sender(gateway: Gateway) -> Sender:
    contract = (await propose(gateway, PUMPS))["id"]
    signer = Signer()
    attester = (await add(gateway, signer)).json()["id"]
    return Sender(gateway, contract, attester, signer)


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    """A model with scripted answers."""
    async with run_scripted_model() as running:
        yield running


@pytest.fixture
async def scripted(
    database_url: str, tmp_path: Path, model: ScriptedModel, timing: Timing
) -> AsyncIterator[Gateway]:
    """A gateway in front of the scripted model."""
    configured = builders.impatient(database_url, tmp_path, model.url, timing)
    async with run_gateway(configured) as running:
        yield running
