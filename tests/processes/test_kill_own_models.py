"""`kill -9` of a gateway while it trains, compares, retrains or erases a customer's model.

What was begun is completed once by the next process, or was never done; nothing is billed twice and
no half model answers calls.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.database.database import Database
from infra.settings import Settings
from tests.processes.clients import Row, all_settled, usage_rows
from tests.support import builders
from tests.support.billing.making import sql
from tests.support.builders import REMAINING_LIFE
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import Fleet, Member, run_fleet
from tests.support.gateway.machines import machines
from tests.support.gateway.own_rows import INPUTS, answer, table

pytestmark = pytest.mark.skipif(
    "MAAS_CHAOS" not in os.environ, reason="starts ten gateways: `make chaos`"
)
_PATIENCE_S = 180
_ERASURES = 6


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def configured(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> Settings:
    timing = replace(builders.TIMING, process_ttl_s=5.0, process_renew_s=1.0)
    return builders.settings(database_url, tmp_path, upstream.url, timing=timing)


class Plant:
    """An account that calls the newest gateway of a fleet."""

    def __init__(self, fleet: Fleet, database: Database, secret: str) -> None:
        self.fleet = fleet
        self.database = database
        self.headers = {"authorization": f"Bearer {secret}"}

    @property
    def gateway(self) -> Member:
        return self.fleet.members[-1]

    async def ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        async with httpx.AsyncClient(
            base_url=self.gateway.url, headers=self.headers, timeout=60
        ) as http:
            response = await http.request(method, path, **more)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def upload(self, content: bytes, purpose: str, name: str) -> str:
        files, data = {"file": (name, content)}, {"purpose": purpose}
        file_id: str = (await self.ask("POST", "/v1/files", data=data, files=files))["id"]
        return file_id

    async def start_training(self) -> None:
        file_id = await self.upload(machines("8"), "fine-tune", "line.jsonl")
        body = {"model": REMAINING_LIFE, "training_file": file_id, "suffix": "line-3"}
        await self.ask("POST", "/v1/fine_tuning/jobs", json=body)

    async def train(self) -> str:
        """Train a version and return the model's name."""
        await self.start_training()
        await self.until_trained()
        name: str = (await self.ask("GET", "/v1/fine_tuning/jobs"))["data"][0]["fine_tuned_model"]
        return name

    async def until_trained(self) -> None:
        await self.until(
            "select 1 where not exists (select 1 from adaptation where "
            "status in ('queued', 'running'))"
        )

    async def until(self, query: str) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while not await sql(self.database, query):  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.02)

    async def replace_gateway(self) -> None:
        """Kill the gateway and start another one."""
        self.fleet.members.pop().kill()
        await self.fleet.start()

    async def billed(self, operation: str) -> list[Row]:
        """The usage rows of an operation that cost something, once all calls are settled."""
        await all_settled(self.database, processes=1)
        rows = await usage_rows(self.database)
        return [row for row in rows if row["operation"] == operation and row["cost_nano"]]


@pytest.fixture
async def plant(configured: Settings, database: Database) -> AsyncIterator[Plant]:
    _, key = await builders.customer(database, configured)
    async with run_fleet(configured, 1) as fleet:
        yield Plant(fleet, database, key.secret)


async def test_training_of_a_killed_gateway_is_trained_again_and_billed_once(
    plant: Plant, database: Database, upstream: FakeUpstream
) -> None:
    upstream.learner.hanging = 1
    await plant.start_training()
    await upstream.learner.learning.wait()
    await plant.replace_gateway()
    await plant.until_trained()
    assert await sql(database, "select status, attempts from adaptation") == [("succeeded", 2)]
    versions = "select version, current, live_at is not null from variant"
    assert await sql(database, versions) == [(1, True, True)]
    assert [row["settlement"] for row in await plant.billed("adaptation")] == ["complete"]


async def test_comparison_of_a_killed_gateway_is_completed_and_each_batch_billed_once(
    plant: Plant, database: Database, upstream: FakeUpstream
) -> None:
    for _ in range(2):
        name = await plant.train()
    file_id = await plant.upload(table(), "evals", "june.csv")
    killed = asyncio.Event()

    def kill_at_first(model: str, request: dict[str, Any]) -> dict[str, list[Any]]:
        """Answer, and kill the gateway before it gets the first answer."""
        if not killed.is_set():
            plant.fleet.members.pop().kill()
            killed.set()
        return answer(model, request)

    upstream.inputs[name], upstream.outputs = INPUTS, kill_at_first
    models = [f"{name}:2", f"{name}:1"]
    body = {"models": models, "file": file_id, "target": "wear", "machine": "machine"}
    with suppress(httpx.HTTPError):  # it may be killed before it has answered
        await plant.ask("POST", "/v1/evals/comparisons", json=body)
    async with asyncio.timeout(_PATIENCE_S):
        await killed.wait()
    await plant.fleet.start()
    await plant.until("select 1 from model_comparison where finished_at is not null")
    (found,) = (await plant.ask("GET", "/v1/evals/comparisons"))["data"]
    assert (found["status"], found["error"]) == ("completed", None)
    rows = await plant.billed("predictions")
    assert Counter(row["settlement"] for row in rows) == {"complete": len(models)}
    assert f"{sum(row['cost_nano'] for row in rows) / 1e9:.9f}" == found["cost"]


async def test_retraining_of_a_killed_gateway_is_one_run_with_one_version(
    plant: Plant, database: Database, upstream: FakeUpstream
) -> None:
    name = await plant.train()
    await plant.upload(machines("4"), "fine-tune", "line.jsonl")
    schedule = {"every": "week", "filename": "line.jsonl", "budget": "100", "automatic": True}
    await plant.ask("PUT", f"/v1/models/{name}/retraining", json=schedule)
    upstream.learner.learning.clear()
    upstream.learner.hanging = 1
    await sql(database, "update retraining_schedule set next_at = now() - interval '1 minute'")
    async with asyncio.timeout(_PATIENCE_S):
        await upstream.learner.learning.wait()
    await plant.replace_gateway()
    await plant.until("select 1 from retraining_run where finished_at is not null")
    assert await sql(database, "select status, version from retraining_run") == [("activated", 2)]
    versions = await sql(database, "select version, current from variant order by version")
    assert versions == [(1, False), (2, True)]
    assert len(await plant.billed("adaptation")) == 2


async def test_erasure_of_a_killed_gateway_is_whole_or_not_begun(
    plant: Plant, database: Database
) -> None:
    chance = random.Random(7)
    for _ in range(_ERASURES):
        name = await plant.train()
        deletion = asyncio.create_task(
            plant.ask("DELETE", f"/v1/models/{name}?training_files=true")
        )
        await asyncio.sleep(chance.uniform(0.0, 0.05))
        await plant.replace_gateway()
        await asyncio.wait([deletion])
        with_weights = await sql(
            database, "select count(*) from variant where artefact is not null"
        )
        files = await sql(database, "select count(*) from training_file")
        recorded = await sql(database, "select count(*) from variant_deletion")
        is_erased = with_weights == [(0,)]
        assert files == [(0 if is_erased else 1,)]
        if not is_erased:
            await plant.ask("DELETE", f"/v1/models/{name}?training_files=true")
            recorded = await sql(database, "select count(*) from variant_deletion")
        assert recorded[0][0] > 0
        if not deletion.cancelled():
            deletion.exception()
        await sql(database, "delete from variant_deletion")
    assert await sql(
        database, "select count(*) from variant where live_at is not null and withdrawn_at is null"
    ) == [(0,)]
