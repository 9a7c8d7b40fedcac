"""What follows calls: the worker's step that takes usage into totals and puts credit right.

It goes over the accounts that called since the last one, so its time grows with them, not with
calls. Owns the accounts, a call of each, and timing the product's own step, of a worker's the one
that comes every ten seconds.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from billing.agreements.plans import publish
from billing.rounds import count_usage
from gateway.contracts import listed_terms
from infra.clock import SystemClock
from infra.db import Database
from infra.migrate import migrate
from infra.postgres import start_postgres
from load.bench.billing.seed import seed_firms
from models.catalog import load_catalog

_CALLS = """
    insert into usage (request_id, account_id, key_id, operation, model, streamed, settlement,
        status, input_tokens, output_tokens, cost_nano, currency, started_at, duration_us)
    select gen_random_uuid(), k.account_id, k.id, 'chat', %(model)s, false, 'complete', 200,
        800, 200, 1000, 'CNY', now(), 1000
    from (select distinct on (account_id) account_id, id from api_key order by account_id) k
    limit %(accounts)s
"""


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds that one step took after a call of so many accounts."""

    accounts: int
    seconds: float


def steps(folder: Path, model: str, accounts: Sequence[int]) -> Iterator[Step]:
    """One for each number, in a database of its own, on which no worker runs."""
    postgres = start_postgres(folder / "postgres")
    url = postgres.url
    try:
        migrate(url)
        asyncio.run(_listed(url))
        seed_firms(url)
        asyncio.run(_step(url))
        for number in accounts:
            with psycopg.connect(url) as connection:
                connection.execute(_CALLS, {"model": model, "accounts": number})
            yield Step(number, asyncio.run(_step(url)))
    finally:
        postgres.stop()


async def _listed(url: str) -> None:
    """List prices, which a gateway publishes when the first call comes."""
    database = Database(url)
    async with database.transaction() as session:
        await publish(session, SystemClock(), listed_terms(load_catalog("cpu"), "CNY"))
    await database.close()


async def _step(url: str) -> float:
    database = Database(url)
    began = time.perf_counter()
    await count_usage(database, SystemClock())
    took = time.perf_counter() - began
    await database.close()
    return took
