"""What follows calls: the worker's step that takes usage into totals and puts credit right.

It goes over the accounts that called since the last one, so its time grows with them, not with
calls. Owns the accounts, a call of each, and timing the product's own step, of a worker's the one
that comes every ten seconds, alone and with others that help.
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
    """Seconds that one step took after a call of so many accounts, and with so many workers."""

    accounts: int
    workers: int
    seconds: float


def steps(
    folder: Path, model: str, accounts: Sequence[int], workers: Sequence[int]
) -> Iterator[Step]:
    """One for each two numbers, in a database of its own, on which no other worker runs."""
    postgres = start_postgres(folder / "postgres")
    url = postgres.url
    try:
        migrate(url)
        asyncio.run(_listed(url))
        seed_firms(url)
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max(workers), mp_context=spawned) as pool:
            _step(url, pool, max(workers))
            for number in accounts:
                for several in workers:
                    with psycopg.connect(url) as connection:
                        connection.execute(_CALLS, {"model": model, "accounts": number})
                    yield Step(number, several, _step(url, pool, several))
    finally:
        postgres.stop()


async def _listed(url: str) -> None:
    """List prices, which a gateway publishes when the first call comes."""
    database = Database(url)
    async with database.transaction() as session:
        await publish_plan(session, SystemClock(), catalog_price_terms(load_catalog("cpu"), "CNY"))
    await database.close()


def _step(url: str, pool: ProcessPoolExecutor, workers: int) -> float:
    began = time.perf_counter()
    asyncio.run(_taken_in(url))
    shares = [WorkShare(number, workers) for number in range(workers)]
    list(pool.map(partial(_put_right, url), shares))
    return time.perf_counter() - began


async def _taken_in(url: str) -> None:
    database = Database(url)
    await aggregate_new_usage(database, SystemClock())
    await database.close()


def _put_right(url: str, share: WorkShare) -> None:
    asyncio.run(_share_put_right(url, share))


async def _share_put_right(url: str, share: WorkShare) -> None:
    database = Database(url)
    await refresh_available_credit(database, SystemClock(), share)
    await database.close()
