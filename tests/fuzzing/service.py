"""A real gateway process for fuzzing, and the key of an account.

`make fuzz` uses an account of `maas demo`, which has objects of every kind. Creating them takes too
long for every test run, which uses an empty account.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from billing.accounts.accounts import get_account
from gateway.access.api_keys import create_key
from infra.clock import SystemClock
from infra.database.database import Database
from infra.secrets.secret_key import secret_key
from infra.settings import Settings
from tests.fuzzing.budget import FULL
from tests.support import builders
from tests.support.billing.making import sql
from tests.support.builders import ALIGNMENT
from tests.support.dashboard.plant_tags import tag_outputs
from tests.support.fakes.upstream import run_fake_upstream
from tests.support.fleet import run_fleet
from tests.support.gateway.commands import Maas, leave_logs_alone
from tests.support.stories.story import Firm, Story

# The list endpoint of each kind of object, by its path parameter.
_LISTS: Mapping[str, str] = {
    "invoice": "/v1/invoices",
    "contract": "/v1/outcomes/contracts",
    "outcome": "/v1/outcomes",
    "settlement": "/v1/outcomes/settlements",
    "dispute": "/v1/outcomes/disputes",
}


@dataclass(frozen=True)
class Service:
    """The URL, a key of the account, and ids of its objects."""

    url: str
    secret: str
    known: Mapping[str, str]


@asynccontextmanager
async def run_service(postgres: str) -> AsyncIterator[Service]:
    """Run the service until the block ends, on this database, emptied before and after."""
    builders.empty(postgres)
    with TemporaryDirectory(prefix="maas-test-") as folder:
        async with run_fake_upstream() as upstream:
            upstream.outputs = _outputs
            configured = builders.settings(
                postgres,
                Path(folder),
                upstream.url,
                stripe_webhook_secret="whsec_planted",
                dashboard=True,
            )
            secret = await _filled(configured)
            async with run_fleet(configured, 1) as fleet, _attempts_forgotten(postgres):
                yield Service(fleet.urls[0], secret, await _known(fleet.urls[0], secret))
    builders.empty(postgres)


@asynccontextmanager
async def _attempts_forgotten(postgres: str) -> AsyncIterator[None]:
    """Forget attempts with wrong keys until the block ends, as if each came from another address:
    else most operations would answer that there were too many."""

    async def forget() -> None:
        while True:
            await sql(database, "delete from attempts")
            await asyncio.sleep(0.05)

    database = Database(postgres, pool_size=1)
    task = asyncio.create_task(forget())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.close()


def _outputs(model: str, request: dict[str, Any]) -> dict[str, list[Any]]:
    """What the specialists answer: meanings of tags, and zeros of all others."""
    if model.startswith(ALIGNMENT):
        return tag_outputs(model, request)
    return {"failure": [0] * request["inputs"][0]["shape"][0]}


async def _filled(configured: Settings) -> str:
    """Create the account of the run; returns its key."""
    url = configured.database_url
    assert url is not None
    database = Database(url.get_secret_value(), pool_size=2)
    with pytest.MonkeyPatch.context() as patched:
        leave_logs_alone(patched)
        first, key = await builders.customer(database, configured, "demo")
        environment = {"MAAS_DATABASE_URL": url.get_secret_value()}
        environment["MAAS_DATA_DIR"] = str(configured.data_dir)
        if not FULL:
            await database.close()
            return key.secret
        maas = Maas(environment, Firm(Story(database), first, key.row.id), configured.data_dir)
        said = await maas.say("demo", "--percent", "1")
        secret = await _key(database, configured, said["firms"][0]["id"])
    await database.close()
    return secret


async def _key(database: Database, configured: Settings, firm: str) -> str:
    async with database.transaction() as session:
        account, pepper = await get_account(session, firm), secret_key(configured)
        made = await create_key(session, SystemClock(), pepper, account.id, "fuzzing")
        return made.secret


async def _known(url: str, secret: str) -> Mapping[str, str]:
    known = {}
    headers = {"authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
        for name, path in _LISTS.items():
            found = (await http.get(path)).json()["data"]
            if found:
                known[name] = str(found[0]["id"])
    return known
