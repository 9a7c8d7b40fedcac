"""`kill -9` of gateways under load: each complete response is billed exactly once.

Plain, streamed, aborting and repeating clients call two gateways; in each round one of them is
killed and another started. Two rounds here, 50 in `make chaos`.
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from infra.database.database import Database
from infra.settings import Settings
from tests.processes.clients import (
    Clients,
    Row,
    Seen,
    all_settled,
    cost_of,
    size_of,
    usage_rows,
    whole_answers_are_billed,
)
from tests.support import builders
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import run_fleet

ROUNDS = in_full(50, 2)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def configured(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> Settings:
    return builders.settings(database_url, tmp_path, upstream.url)


async def test_responses_delivered_before_a_gateway_is_killed_are_billed_once(
    configured: Settings, database: Database
) -> None:
    chance = random.Random(20261125)
    _, key = await builders.customer(database, configured)
    async with run_fleet(configured, 2) as fleet:
        clients = Clients(lambda: fleet.urls, key.secret, seed=7)
        async with asyncio.TaskGroup() as group:
            group.create_task(clients.run(each=in_full(4, 2)))
            for _ in range(ROUNDS):
                await clients.another(chance.randrange(10, 30))
                await fleet.replace(chance)
            left = len(clients.seen.left)
            await clients.another(20)
            await clients.until(lambda: len(clients.seen.left) > left and clients.seen.repeated)
            clients.stop()
        await all_settled(database, processes=len(fleet.members))
    rows = await usage_rows(database)
    whole_answers_are_billed(clients.seen, rows)
    _nothing_is_billed_twice(clients.seen, rows)
    _who_left_pays_for_what_was_generated(clients.seen, rows)
    await _the_account_is_charged_what_its_rows_cost(database, rows)
    _report(clients.seen, rows)


def _nothing_is_billed_twice(seen: Seen, rows: list[Row]) -> None:
    billed = [row for row in rows if row["cost_nano"]]
    assert len(billed) <= seen.sent
    sizes = Counter(size_of(row) for row in billed if row["input_tokens"] < 400)
    assert not [size for size, count in sizes.items() if count > 1]
    assert seen.repeated
    assert all(sizes[size] == 1 for size in seen.repeated)
    assert all(row["settlement"] in ("complete", "client_abort") for row in billed)


def _who_left_pays_for_what_was_generated(seen: Seen, rows: list[Row]) -> None:
    by_id = {row["request_id"]: row for row in rows}
    left = [(by_id[request_id], size) for request_id, size in seen.left.items()]
    assert {row["settlement"] for row, _ in left} <= {"client_abort", "unknown", "complete"}
    aborted = [(row, size) for row, size in left if row["settlement"] == "client_abort"]
    assert aborted
    for row, (told, asked) in aborted:
        assert told <= row["output_tokens"] < asked
        assert row["cost_nano"] == cost_of(row)


async def _the_account_is_charged_what_its_rows_cost(database: Database, rows: list[Row]) -> None:
    used = "select sum(used), sum(leased) from quota where kind = 'credit'"
    async with database.transaction() as session:
        spent, leased = (await session.execute(text(used))).one()
    assert (spent, leased) == (sum(row["cost_nano"] for row in rows), 0)


def _report(seen: Seen, rows: list[Row]) -> None:
    settled = dict(Counter(row["settlement"] for row in rows))
    sys.stderr.write(
        f"{ROUNDS} kills, {seen.sent} calls sent: {len(seen.whole)} whole, {len(seen.left)} left, "
        f"{len(seen.repeated)} under a key, {seen.broken} broken, refused {seen.refused}; "
        f"rows {settled}\n"
    )
