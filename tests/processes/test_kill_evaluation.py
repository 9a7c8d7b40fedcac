"""`kill -9` of a gateway during an evaluation: another one completes it, billed once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

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
from tests.support.nightly import nightly

_QUESTIONS = 12
_PATIENCE_S = 180


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def configured(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> Settings:
    return builders.settings(database_url, tmp_path, upstream.url)


async def _create_run(http: httpx.AsyncClient) -> str:
    questions = [{"question": f"ask {n}", "expected": "word"} for n in range(_QUESTIONS)]
    content = "\n".join(json.dumps(one) for one in questions).encode()
    upload = await http.post(
        "/v1/files", data={"purpose": "evals"}, files={"file": ("q.jsonl", content)}
    )
    body = {"model": CHAT, "file": upload.json()["id"], "max_tokens": 5}
    run_id: str = (await http.post("/v1/evals/runs", json=body)).json()["id"]
    return run_id


async def _until(database: Database, query: str) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not await sql(database, query):  # noqa: ASYNC110  # another process tells nobody
            await asyncio.sleep(0.02)


@nightly
async def test_evaluation_of_a_killed_gateway_is_completed_and_billed_once(
    configured: Settings, database: Database, upstream: FakeUpstream
) -> None:
    _, key = await builders.customer(database, configured)
    headers = {"authorization": f"Bearer {key.secret}"}
    upstream.delay_s = 0.3
    async with run_fleet(configured, 1) as fleet:
        (victim,) = fleet.members
        async with httpx.AsyncClient(base_url=victim.url, headers=headers, timeout=60) as http:
            run_id = await _create_run(http)
            await _until(database, "select 1 from evaluation_answer where status = 'answered'")
            await _until(database, "select 1 from intent where operation = 'chat'")
            victim.kill()
        fleet.members.remove(victim)
        upstream.delay_s = 0.0
        other = await fleet.start()
        await _until(database, "select 1 from evaluation_run where finished_at is not null")
        async with httpx.AsyncClient(base_url=other.url, headers=headers, timeout=60) as http:
            run: dict[str, Any] = (await http.get(f"/v1/evals/runs/{run_id}")).json()
        await all_settled(database, processes=1)
    assert (run["status"], run["progress"]["finished"]) == ("completed", _QUESTIONS)
    rows = await usage_rows(database)
    settled = Counter(row["settlement"] for row in rows)
    assert settled["complete"] == _QUESTIONS
    assert settled["unknown"] > 0  # in flight when the gateway was killed
    billed = sum(row["cost_nano"] for row in rows)
    assert round(float(run["cost"]) * 1e9) == billed
