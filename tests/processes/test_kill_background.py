"""`kill -9` of a gateway with background responses: another one answers them, billed once.

Half of them are streamed: no text of a lost attempt is in the events of the answer. One kill here,
ten in `make chaos`.
"""

import asyncio
import json
import sys
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
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import run_fleet
from tests.support.nightly import nightly

_KILLS = in_full(10, 1)
_RESPONSES = 12  # before each kill
_PATIENCE_S = 180
_ENDED = "status not in ('queued', 'in_progress')"


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


async def _queue(http: httpx.AsyncClient, body: dict[str, Any]) -> None:
    """Queue a response; repeated while the gateway says that it cannot at the moment."""
    key = {"idempotency-key": body["input"]}
    while True:
        async with http.stream("POST", "/v1/responses", json=body, headers=key) as answer:
            # The first event of a stream says that the response is queued: its client leaves.
            text = await anext(answer.aiter_text()) if body["stream"] else await answer.aread()
        if answer.status_code != 503:  # the machine is too busy to write the usage in time
            break
        await asyncio.sleep(0.2)
    assert answer.status_code == 200, text


async def _require_undoubled(http: httpx.AsyncClient, database: Database) -> int:
    """Check the recorded events of each streamed response against its text; returns how many."""
    rows = await sql(database, "select distinct response_id from response_events")
    for (response_id,) in rows:
        path = f"/v1/responses/resp_{response_id.hex}"
        response = (await http.get(path)).json()
        lines = (await http.get(path, params={"stream": True})).text.splitlines()
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        told = "".join(one["delta"] for one in events if one["type"].endswith("text.delta"))
        assert told == response["output"][0]["content"][0]["text"]
        numbers = [one["sequence_number"] for one in events]
        assert numbers == sorted(set(numbers))
    return len(rows)


@nightly
async def test_background_responses_of_a_killed_gateway_are_answered_and_billed_once(
    configured: Settings, database: Database, upstream: FakeUpstream
) -> None:
    _, key = await builders.customer(database, configured)
    headers = {"authorization": f"Bearer {key.secret}"}
    body = {"model": CHAT, "max_output_tokens": 15, "background": True, "store": True}
    upstream.delay_s = 0.3
    async with run_fleet(configured, 1) as fleet:
        for kill in range(_KILLS):
            (victim,) = fleet.members
            async with httpx.AsyncClient(base_url=victim.url, headers=headers, timeout=60) as http:
                for number in range(_RESPONSES):
                    is_streamed = number % 2 == 0
                    text = f"{'drip' if is_streamed else 'ask'} {kill} {number}"
                    await _queue(http, {**body, "input": text, "stream": is_streamed})
                ended = f"(select count(*) from saved_response where {_ENDED})"
                await _until(database, f"select 1 where {ended} > {kill * _RESPONSES}")
                await _until(database, "select 1 from intent where operation = 'responses'")
                victim.kill()
            fleet.members.remove(victim)
            await fleet.start()
        upstream.delay_s = 0.0
        is_open = f"exists (select 1 from saved_response where not ({_ENDED}))"
        await _until(database, f"select 1 where not {is_open}")
        await all_settled(database, processes=1)
        (survivor,) = fleet.members
        async with httpx.AsyncClient(base_url=survivor.url, headers=headers, timeout=60) as http:
            streamed = await _require_undoubled(http, database)
    assert streamed == _RESPONSES * _KILLS // 2
    statuses = Counter(row[0] for row in await sql(database, "select status from saved_response"))
    assert statuses == {"incomplete": _RESPONSES * _KILLS}
    rows = await usage_rows(database)
    settled = Counter(row["settlement"] for row in rows if row["cost_nano"])
    assert settled == {"complete": _RESPONSES * _KILLS}
    lost = sum(row["settlement"] == "unknown" for row in rows)
    assert lost >= _KILLS  # in flight when their gateway was killed
    sys.stderr.write(f"{_KILLS} kills, {_RESPONSES * _KILLS} responses; {lost} calls lost\n")
