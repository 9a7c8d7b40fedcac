"""`kill -9` between the specialist and the language model of a chat: no step is billed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from infra.database.database import Database
from infra.settings import Settings
from tests.processes.clients import all_settled, usage_rows
from tests.support import builders
from tests.support.billing.making import sql
from tests.support.builders import CHAT, SPECIALIST
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import run_fleet


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def configured(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> Settings:
    upstream.inputs[SPECIALIST] = [
        {"name": "torque", "datatype": "FP32", "unit": "N·m", "minimum": 0, "maximum": 500}
    ]
    return builders.settings(database_url, tmp_path, upstream.url)


async def test_steps_of_a_chat_whose_gateway_is_killed_are_unknown_and_cost_nothing(
    configured: Settings, database: Database, upstream: FakeUpstream
) -> None:
    _, key = await builders.customer(database, configured)
    headers = {"authorization": f"Bearer {key.secret}"}
    upstream.does = ["hang"]
    body = {
        "model": CHAT,
        "messages": [{"role": "user", "content": "Will it fail with a torque of 65 Nm?"}],
        "tools": [{"type": "specialist", "models": [SPECIALIST]}],
    }
    async with run_fleet(configured, 2) as fleet:
        victim = fleet.members[0]
        async with httpx.AsyncClient(base_url=victim.url, headers=headers, timeout=60) as http:
            calling = asyncio.create_task(http.post("/v1/chat/completions", json=body))
            async with asyncio.timeout(180):
                while not any("messages" in sent for sent in upstream.received):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                while len(await sql(database, "select 1 from intent")) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            victim.kill()
            with suppress(httpx.HTTPError):
                await calling
        fleet.members.remove(victim)
        await all_settled(database, processes=1)
    rows = await usage_rows(database)
    assert [(row["settlement"], row["cost_nano"]) for row in rows] == [("unknown", 0)] * 3
    parent = next(row for row in rows if row["parent_id"] is None)
    steps = [row for row in rows if row["parent_id"] is not None]
    assert {row["parent_id"] for row in steps} == {parent["request_id"]}
    assert sorted(row["operation"] for row in steps) == ["chat", "predictions"]
    assert any("inputs" in sent for sent in upstream.received)
    async with database.transaction() as session:
        used = await session.execute(text("select sum(used) from quota where kind = 'credit'"))
        assert used.scalar_one() == 0
        records = await session.execute(text("select count(*) from decision_record"))
        assert records.scalar_one() == 0
