"""`make bench-plant`: import of a large plant model, and the queries of its pages.

    python -m load.bench.plant [--points 100000]

PostgreSQL runs on this machine; the importer runs in this process, without a gateway.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from billing.accounts.account_creation import AccountLimits, open_account
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.assets.ids import IMPORT
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.imports.importing import ImportOptions, PlantImporter
from gateway.plant.imports.readers import PlantFile
from gateway.plant.store.counts import PlantCounts
from gateway.plant.store.proposals import list_queue, list_to_propose
from gateway.plant.store.queries import PointFilter, list_points
from gateway.plant.store.tree import list_parts
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from load.bench.embedded_postgres import migrated_postgres

_POINTS_OF_ASSET = 20


def main() -> None:
    """Measure and print a report in Markdown."""
    asked = argparse.ArgumentParser(prog="python -m load.bench.plant")
    asked.add_argument("--points", type=int, default=100_000)
    options = asked.parse_args()
    with migrated_postgres() as url:
        asyncio.run(_measure(url, options.points))


async def _measure(url: str, points: int) -> None:
    """Import a tag list twice and time the queries of the pages."""
    database, clock = Database(url, pool_size=2), SystemClock()
    async with database.transaction() as session:
        limits = AccountLimits(100, None, None, None)
        account_id = (await open_account(session, clock, "Plant", "CNY", limits)).id
    importer = PlantImporter(database, clock, PlantLimits(points, points))
    file = PlantFile("tags.csv", _tag_list(points))
    print("| step | ms | of it this process, ms of CPU |\n|---|---|---|")
    row = await _timed("preview", lambda: _preview(importer, account_id, file))
    import_id = ids.format_id(IMPORT, row.id)
    await _timed("confirm", lambda: importer.confirm(account_id, CLI_ACTOR, import_id))
    await _timed("preview of the same file", lambda: _preview(importer, account_id, file))
    counts = PlantCounts()
    for label, query in (
        ("counts of the tree after a change", lambda one: counts.of_account(one, account_id)),
        ("counts of the tree, cached", lambda one: counts.of_account(one, account_id)),
        ("top of the tree", lambda one: list_parts(one, account_id, None)),
        ("mapping queue", lambda one: list_queue(one, account_id, 50)),
        (
            "512 points to propose for",
            lambda one: list_to_propose(one, account_id, "any", 512),
        ),
        ("search of points", lambda one: _search(one, account_id)),
    ):
        async with database.transaction() as session:
            await _timed(label, lambda session=session, query=query: query(session))
    await database.close()


def _preview(importer: PlantImporter, account_id: UUID, file: PlantFile) -> Awaitable[Any]:
    """Preview a file."""
    return importer.preview(account_id, CLI_ACTOR, file, ImportOptions())


def _search(session: Any, account_id: UUID) -> Awaitable[Any]:
    """Search points by a part of their tags."""
    return list_points(session, account_id, PointFilter(text="9999"), 50, None)


async def _timed(label: str, action: Callable[[], Awaitable[Any]]) -> Any:
    """Run an action, print how long it took, and return its result."""
    began, used = time.perf_counter(), time.process_time()
    result = await action()
    elapsed, busy = time.perf_counter() - began, time.process_time() - used
    print(f"| {label} | {elapsed * 1000:,.1f} | {busy * 1000:,.1f} |", flush=True)
    return result


def _tag_list(points: int) -> bytes:
    """Return a tag list with a hierarchy of four levels and 20 points for each asset."""
    rows = ["位号,名称,单位,量程下限,量程上限,路径"]
    for number in range(points):
        asset = number // _POINTS_OF_ASSET
        path = f"Works/Area {asset // 500}/Line {asset // 50}/Pump {asset}"
        rows.append(f"TAG-{number:06d},温度 {number},℃,0,150,{path}")
    return "\n".join(rows).encode("gb18030")


if __name__ == "__main__":
    main()
