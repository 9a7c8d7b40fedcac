"""What several tests of the gateway need."""

from pathlib import Path

import pytest

from infra.db import Database
from tests.support.gateway.commands import Maas, leave_logs_alone
from tests.support.stories.story import Story


@pytest.fixture
async def maas(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Maas:
    leave_logs_alone(monkeypatch)
    firm = await Story(database).firm("Acme")
    environment = {"MAAS_DATABASE_URL": database_url, "MAAS_DATA_DIR": str(tmp_path)}
    return Maas(environment, firm, tmp_path)
