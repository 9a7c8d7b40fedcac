"""`kill -9` of a gateway with background responses: another one answers them, billed once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from infra.database.database import Database
from infra.settings import Settings
from tests.processes.clients import all_settled, usage_rows
from tests.support import builders
from tests.support.billing.making import sql
from tests.support.builders import CHAT
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import run_fleet

_RESPONSES = 12
_PATIENCE_S = 180


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def configured(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> Settings:
    return builders.settings(database_url, tmp_path, upstream.url)


async def _until(database: Database, query: str) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not await sql(database, query):  # noqa: ASYNC110  # another process tells nobody
            await asyncio.sleep(0.02)


async def test_background_responses_of_a_killed_gateway_are_answered_and_billed_once(
    configured: Settings, database: Database, upstream: FakeUpstream
) -> None:
    _, key = await builders.customer(database, configured)
    headers = {"authorization": f"Bearer {key.secret}"}
    body = {"model": CHAT, "max_output_tokens": 5, "background": True, "store": True}
    upstream.delay_s = 0.3
    async with run_fleet(configured, 1) as fleet:
        (victim,) = fleet.members
        async with httpx.AsyncClient(base_url=victim.url, headers=headers, timeout=60) as http:
            for number in range(_RESPONSES):
                answer = await http.post("/v1/responses", json={**body, "input": f"ask {number}"})
                assert answer.json()["status"] == "queued"
            await _until(database, "select 1 from saved_response where status = 'incomplete'")
            await _until(database, "select 1 from intent where operation = 'responses'")
            victim.kill()
        fleet.members.remove(victim)
        upstream.delay_s = 0.0
        await fleet.start()
        still_open = "status in ('queued', 'in_progress')"
        await _until(
            database,
            f"select 1 where not exists (select 1 from saved_response where {still_open})",
        )
        await all_settled(database, processes=1)
    statuses = await sql(database, "select status from saved_response")
    assert [row[0] for row in statuses] == ["incomplete"] * _RESPONSES
    rows = await usage_rows(database)
    settled = Counter(row["settlement"] for row in rows if row["cost_nano"])
    assert settled == {"complete": _RESPONSES}
    assert any(row["settlement"] == "unknown" for row in rows)  # in flight when it was killed
