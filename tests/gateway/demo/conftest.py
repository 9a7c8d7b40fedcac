"""The demo data, created once by `maas demo` for tests that only read it."""

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.cli.process import demo
from infra.database.database import Database
from infra.settings import Settings
from tests.gateway.demo.filled import CLOCK, Filled
from tests.support import builders
from tests.support.gateway.commands import Maas, leave_logs_alone
from tests.support.passwords import quick_passwords
from tests.support.stories.story import Firm, Story


@pytest.fixture(scope="module")
async def filled(postgres: str) -> AsyncIterator[Filled]:
    """Demo data with 4 % of the calls, next to the first account that `maas up` creates."""
    builders.empty(postgres)
    database = Database(postgres, pool_size=2)
    with TemporaryDirectory(prefix="maas-test-") as name, pytest.MonkeyPatch.context() as patched:
        leave_logs_alone(patched)
        # Hashing a dozen passwords would take a third of the time.
        patched.setattr(demo, "Passwords", quick_passwords)
        patched.setattr(demo, "SystemClock", lambda: CLOCK)
        folder = Path(name)
        settings = Settings(database_url=postgres, data_dir=folder)
        first, key = await builders.customer(database, settings, "demo")
        environment = {"MAAS_DATABASE_URL": postgres, "MAAS_DATA_DIR": name}
        maas = Maas(environment, Firm(Story(database), first, key.row.id), folder)
        yield Filled(await maas.say("demo", "--percent", "4"), maas, database, settings)
    await database.close()
    builders.empty(postgres)
