"""Health of assets on the pages of a plant: first view, views without change, after a verdict.

    python -m load.bench.plant_health [--verdicts 10000] [--assets 5000]

PostgreSQL runs on this machine; the queries run in this process, without a gateway.
"""

import argparse
import asyncio
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.account_creation import AccountLimits, open_account
from gateway.plant.predictions.health import PlantHealth
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from load.bench.embedded_postgres import migrated_postgres

_INSERT_ASSETS = text("""
    insert into plant_asset (id, account_id, code, name, level, parent_id, types, properties,
                             source, created_at, updated_at)
    select :ids[n], :account_id, 'A' || n, 'Asset', 'equipment',
           case when n = 1 then null when n <= 11 then :ids[1] when n <= 211 then :ids[2 + n % 10]
           else :ids[12 + n % 200] end, '{}', '{}', 'manual', now(), now()
    from generate_series(1, :count) n order by n
""")
_INSERT_VERDICTS = text("""
    insert into plant_verdict (id, account_id, asset_id, request_id, model, version, at,
                               created_at, prediction, inputs, finding)
    select :ids[n], :account_id, :assets[1 + n % :asset_count], gen_random_uuid(),
           'model-' || n % 2, '1', :now, :now, '{"failure": 1}',
           (select jsonb_agg(jsonb_build_object('name', 'input_' || g, 'value', g / 3.0))
            from generate_series(1, 12) g),
           jsonb_build_object('verdict', (array['yes', 'no', 'uncertain'])[1 + n % 3], 'value', 0.9)
    from generate_series(1, :count) n
""")


def main() -> None:
    """Measure and print a report in Markdown."""
    asked = argparse.ArgumentParser(prog="python -m load.bench.plant_health")
    asked.add_argument("--verdicts", type=int, default=10_000)
    asked.add_argument("--assets", type=int, default=5_000)
    options = asked.parse_args()
    with migrated_postgres() as url:
        asyncio.run(_measure(url, options.assets, options.verdicts))


async def _measure(url: str, assets: int, verdicts: int) -> None:
    """Fill the tables and time the views."""
    database, clock = Database(url, pool_size=2), SystemClock()
    now = datetime.now(UTC)
    async with database.transaction() as session:
        limits = AccountLimits(100, None, None, None)
        account_id = (await open_account(session, clock, "Plant", "CNY", limits)).id
        await _fill(session, account_id, assets, verdicts, now - timedelta(hours=1))
    healths = PlantHealth()
    columns = "| ms | of it this process, ms of CPU |\n|---|---|---|"
    print(f"| view, {verdicts:,} verdicts on {assets:,} assets {columns}")
    await _view(database, healths, account_id, "first")
    for label in ("without change", "without change"):
        await _view(database, healths, account_id, label)
    async with database.transaction() as session:
        await _fill(session, account_id, 0, 1, datetime.now(UTC))
    await _view(database, healths, account_id, "after one verdict")
    await database.close()


async def _view(database: Database, healths: PlantHealth, account_id: UUID, label: str) -> None:
    """Time one view."""
    async with database.transaction() as session:
        began, used = time.perf_counter(), time.process_time()
        found = await healths.of_account(session, account_id, datetime.now(UTC))
        elapsed, busy = time.perf_counter() - began, time.process_time() - used
    shown = f"{elapsed * 1000:.1f} | {busy * 1000:.1f}"
    print(f"| {label}: {len(found):,} assets | {shown} |", flush=True)


async def _fill(
    session: AsyncSession, account_id: UUID, assets: int, verdicts: int, at: datetime
) -> None:
    """Store assets in four levels, and verdicts on the assets of the account."""
    values = {"account_id": account_id, "count": assets, "ids": _new_ids(assets)}
    if assets:
        await session.execute(_INSERT_ASSETS, values)
    query = text("select id from plant_asset where account_id = :account_id order by id")
    known = (await session.scalars(query, {"account_id": account_id})).all()
    values = {"account_id": account_id, "count": verdicts, "ids": _new_ids(verdicts)}
    further = {"assets": known, "asset_count": len(known), "now": at}
    await session.execute(_INSERT_VERDICTS, values | further)


def _new_ids(count: int) -> list[UUID]:
    """Return ids in their order."""
    return [ids.new_id() for _ in range(count)]


if __name__ == "__main__":
    main()
