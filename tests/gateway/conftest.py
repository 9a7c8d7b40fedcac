"""What several tests of the gateway need."""

from pathlib import Path

import pytest

import gateway.console
from infra.db import Database
from tests.flows.stories import Story
from tests.gateway.commands import Maas


@pytest.fixture
async def maas(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Maas:
    # What is configured for the whole process is none of a test's business.
    monkeypatch.setattr(gateway.console, "configure_logging", lambda _level: None)
    monkeypatch.setattr(gateway.console, "keep_money_log", lambda _file: None)
    firm = await Story(database).firm("Acme")
    environment = {"MAAS_DATABASE_URL": database_url, "MAAS_DATA_DIR": str(tmp_path)}
    return Maas(environment, firm, tmp_path)
