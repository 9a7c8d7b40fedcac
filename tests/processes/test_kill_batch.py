"""`kill -9` of the gateway that runs a batch: the next one completes it, each line billed once.

Two kills here, 20 in `make chaos`.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.database.database import Database
from infra.settings import Settings
from tests.processes.clients import all_settled, usage_rows
from tests.support import builders
from tests.support.billing.making import sql
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import Member, run_fleet
from tests.support.gateway.batching import create_batch, ended, nano, parsed
from tests.support.nightly import nightly

_KILLS = in_full(20, 2)
_LINES = in_full(400, 30)
_PATIENCE_S = 180


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def configured(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> Settings:
    timing = replace(builders.TIMING, process_ttl_s=5.0, process_renew_s=1.0)
    return builders.settings(database_url, tmp_path, upstream.url, timing=timing)


async def _until(database: Database, query: str) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not await sql(database, query):  # noqa: ASYNC110  # another process tells nobody
            await asyncio.sleep(0.02)


async def _kill_when(database: Database, member: Member, completed: int) -> None:
    """Kill the gateway with lines in flight once so many are done."""
    await _until(database, f"select 1 from batch where completed >= {completed}")
    await _until(database, "select 1 from intent where operation = 'chat'")
    member.kill()


@nightly
async def test_batch_survives_killed_gateways_with_each_line_once_in_order(
    configured: Settings, database: Database, upstream: FakeUpstream
) -> None:
    _, key = await builders.customer(database, configured)
    headers = {"authorization": f"Bearer {key.secret}"}
    upstream.delay_s = 0.3
    upstream.replies = lambda _model, prompt: f"answer to {prompt}"
    async with run_fleet(configured, 1) as fleet:
        (member,) = fleet.members
        async with httpx.AsyncClient(base_url=member.url, headers=headers, timeout=60) as http:
            batch_id = await create_batch(http, _LINES)
        for kill in range(_KILLS):
            await _kill_when(database, member, 1 + kill * (_LINES - 10) // _KILLS)
            fleet.members.remove(member)
            member = await fleet.start()
        upstream.delay_s = 0.0
        await ended(database, batch_id)
        async with httpx.AsyncClient(base_url=member.url, headers=headers, timeout=60) as http:
            batch: dict[str, Any] = (await http.get(f"/v1/batches/{batch_id}")).json()
            content = await http.get(f"/v1/files/{batch['output_file_id']}/content")
        await all_settled(database, processes=1)
    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": _LINES, "completed": _LINES, "failed": 0}
    lines = parsed(content.content)
    assert [line["custom_id"] for line in lines] == [f"line-{n}" for n in range(_LINES)]
    texts = [line["response"]["body"]["choices"][0]["message"]["content"] for line in lines]
    assert texts == [f"answer to ask {n}" for n in range(_LINES)]
    rows = await usage_rows(database)
    settled = Counter(row["settlement"] for row in rows)
    assert settled["complete"] == _LINES
    assert settled["unknown"] > 0  # in flight when the gateways were killed
    billed = sum(row["cost_nano"] for row in rows)
    assert 0 < nano(batch["x_maas_cost"]) == billed <= nano(batch["x_maas_max_cost"])
    assert await sql(database, "select sum(used), sum(leased) from quota") == [(2 * billed, 0)]
    sys.stderr.write(f"{_KILLS} kills, {_LINES} lines; rows {dict(settled)}\n")
