"""Duration of the worker's usage aggregation and credit refresh, with one or several workers.

It grows with the accounts that called since the last run, not with the calls.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from billing.cycle import WorkShare, aggregate_new_usage, refresh_available_credit
from billing.subscriptions.plans import publish_plan
from gateway.access.price_book import catalog_price_terms
from infra.clock import SystemClock
from infra.database.database import Database
from infra.database.embedded_postgres import start_postgres
from infra.database.migrate import migrate
from load.bench.billing.seed import seed_firms
from models.catalog import DEFAULT_PROFILE, load_catalog

_CALLS = """
    insert into usage (request_id, account_id, key_id, operation, model, streamed, settlement,
        status, input_tokens, output_tokens, cost_nano, currency, started_at, duration_us)
    select gen_random_uuid(), k.account_id, k.id, 'chat', %(model)s, false, 'complete', 200,
        800, 200, 1000, 'CNY', now(), 1000
    from (select distinct on (account_id) account_id, id from api_key order by account_id) k
    limit %(accounts)s
"""


@dataclass(frozen=True, slots=True)
class AggregationStep:
    """The seconds of one run after a call of each account."""

    accounts: int
    workers: int
    seconds: float


def measure_aggregation(
    folder: Path, model: str, accounts: Sequence[int], workers: Sequence[int]
) -> Iterator[AggregationStep]:
    """Measure each number of accounts with each number of workers, in a new database."""
    postgres = start_postgres(folder / "postgres")
    url = postgres.url
    try:
        migrate(url)
        asyncio.run(_publish_list_prices(url))
        seed_firms(url)
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max(workers), mp_context=spawned) as pool:
            _run_step(url, pool, max(workers))
            for number in accounts:
                for count in workers:
                    with psycopg.connect(url) as connection:
                        connection.execute(_CALLS, {"model": model, "accounts": number})
                    yield AggregationStep(number, count, _run_step(url, pool, count))
    finally:
        postgres.stop()


async def _publish_list_prices(url: str) -> None:
    """Publish the list prices, as a gateway does before its first call."""
    database = Database(url)
    async with database.transaction() as session:
        await publish_plan(
            session, SystemClock(), catalog_price_terms(load_catalog(DEFAULT_PROFILE), "CNY")
        )
    await database.close()


def _run_step(url: str, pool: ProcessPoolExecutor, workers: int) -> float:
    began = time.perf_counter()
    asyncio.run(_aggregate(url))
    shares = [WorkShare(number, workers) for number in range(workers)]
    list(pool.map(partial(_refresh_credit, url), shares))
    return time.perf_counter() - began


async def _aggregate(url: str) -> None:
    database = Database(url)
    await aggregate_new_usage(database, SystemClock())
    await database.close()


def _refresh_credit(url: str, share: WorkShare) -> None:
    asyncio.run(_refresh_credit_share(url, share))


async def _refresh_credit_share(url: str, share: WorkShare) -> None:
    database = Database(url)
    await refresh_available_credit(database, SystemClock(), share)
    await database.close()
