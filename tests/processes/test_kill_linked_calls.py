"""`kill -9` of a gateway in the middle of hosted-tool loops and decisions.

One kill here; in `make chaos` 50 during hosted tools and 10 during decisions.
"""

import asyncio
import random
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.database.database import Database
from infra.settings import Settings
from tests.processes.clients import Row, all_settled, usage_rows
from tests.processes.linked_clients import TAG, LinkedClients, prepare
from tests.support import builders
from tests.support.billing.making import sql
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import run_fleet

ROUNDS = in_full(60, 1)
_CLIENTS = in_full(6, 3)
_PATIENCE_S = 180


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def configured(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> Settings:
    prepare(upstream)
    timing = replace(builders.TIMING, process_ttl_s=5.0, process_renew_s=1.0)
    return builders.settings(database_url, tmp_path, upstream.url, timing=timing)


async def test_every_step_of_a_killed_gateway_has_one_row_and_answers_are_billed_once(
    configured: Settings, database: Database, upstream: FakeUpstream
) -> None:
    chance = random.Random(20261130)
    _, key = await builders.customer(database, configured)
    async with run_fleet(configured, 1) as fleet:
        clients = LinkedClients(lambda: fleet.urls, key.secret)
        async with asyncio.TaskGroup() as group:
            group.create_task(clients.run(_CLIENTS))
            for number in range(ROUNDS):
                await _answered(clients, chance.randrange(1, 2 * _CLIENTS))
                await _in_the_middle(database, upstream, chance, number % 6 == 5)
                await fleet.replace(chance)
            await _answered(clients, _CLIENTS)
            clients.stop()
        await all_settled(database, processes=1)
    rows = await usage_rows(database)
    records = await sql(database, "select id, request_id from decision_record")
    families = _families(rows)
    _answers_are_billed_once(clients, families)
    _verdicts_have_records(families, Counter(f"req_{row[1].hex}" for row in records))
    assert {f"drec_{row[0].hex}" for row in records} >= {
        one for found in clients.answered.values() for one in found.record_ids
    }
    _sent_steps_have_rows(upstream, rows)
    quotas = "select sum(used), sum(leased) from quota where kind = 'credit'"
    assert await sql(database, quotas) == [(sum(row["cost_nano"] for row in rows), 0)]
    _report(clients, rows)


async def _answered(clients: LinkedClients, more: int) -> None:
    """Wait for so many further answers: calls that are repeated would else be killed for ever."""
    wanted = len(clients.answered) + more
    async with asyncio.timeout(_PATIENCE_S):
        while len(clients.answered) < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _in_the_middle(
    database: Database, upstream: FakeUpstream, chance: random.Random, in_decision: bool
) -> None:
    """Wait for a step that is open, then for a few more requests to the model server."""
    condition = "operation = 'decisions'" if in_decision else "parent_id is not null"
    async with asyncio.timeout(_PATIENCE_S):
        while not await sql(database, f"select 1 from intent where {condition}"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        received = len(upstream.received) + chance.randrange(12)
        while len(upstream.received) < received:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def _families(rows: list[Row]) -> dict[str, list[Row]]:
    """The rows of each client's call by its request id, its own first."""
    parents = {row["request_id"]: [row] for row in rows if row["parent_id"] is None}
    assert len({row["request_id"] for row in rows}) == len(rows)
    for row in rows:
        if row["parent_id"] is not None:
            parents[row["parent_id"]].append(row)  # each step belongs to a call
    return parents


def _answers_are_billed_once(clients: LinkedClients, families: dict[str, list[Row]]) -> None:
    """Each answer was billed in one family of rows, at the cost that it named."""
    billed: dict[str, list[list[Row]]] = defaultdict(list)
    for family in families.values():
        if any(row["cost_nano"] for row in family):
            billed[family[0]["tags"].get(TAG, "")].append(family)
    assert "" not in billed  # what the reaper settled costs nothing
    assert not [number for number, found in billed.items() if len(found) > 1]
    for number, answer in clients.answered.items():
        (family,) = billed[str(number)]
        assert {row["settlement"] for row in family} <= {"complete", "waived"}
        if answer.request_id is not None:
            assert family[0]["request_id"] == answer.request_id
            assert sum(row["cost_nano"] for row in family) == answer.cost_nano


def _verdicts_have_records(families: dict[str, list[Row]], records: Counter[str]) -> None:
    """Each billed verdict of a chat has its record; what was not answered has none."""
    expected: dict[str, int] = {}
    for request_id, (parent, *steps) in families.items():
        if parent["operation"] == "chat" and parent["settlement"] == "complete":
            verdicts = sum(row["operation"] == "predictions" for row in steps)
            expected |= {request_id: verdicts} if verdicts else {}
    assert dict(records) == expected


def _sent_steps_have_rows(upstream: FakeUpstream, rows: list[Row]) -> None:
    """No step was sent that has no row; few have a row and were not sent."""
    steps = Counter(row["operation"] for row in rows if row["parent_id"] is not None)
    sent: Counter[str] = Counter()
    for body in upstream.received:
        if "messages" in body:
            sent["chat"] += "logprobs" not in body  # those belong to decisions
        else:
            sent["predictions"] += len(body["inputs"]) == 2
    decided = sum(row["operation"] == "decisions" and not row["parent_id"] for row in rows)
    assert sent["chat"] <= steps["chat"] <= sent["chat"] + _CLIENTS * ROUNDS
    assert sent["predictions"] <= steps["predictions"]
    assert steps["predictions"] <= sent["predictions"] + _CLIENTS * ROUNDS + decided


def _report(clients: LinkedClients, rows: list[Row]) -> None:
    kinds: dict[Any, int] = Counter((row["operation"], row["settlement"]) for row in rows)
    counts = ", ".join(f"{one} {how} {n}" for (one, how), n in sorted(kinds.items()))
    sys.stderr.write(
        f"{ROUNDS} kills, {clients.sent} calls sent, {len(clients.answered)} answered, "
        f"{clients.broken} broken, refused {clients.refused}; rows: {counts}\n"
    )
