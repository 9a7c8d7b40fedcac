"""`make bench-plant-alignment`: proposals per second, and the mapping queue of a large plant.

    python -m load.bench.plant_alignment [--points 100000] [--proposed 20480]

PostgreSQL and `tag-align` run on this machine. The model answers in this process, without a gateway
and without HTTP between them; its time is stated by itself.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from billing.accounts.account_creation import AccountLimits, open_account
from gateway.alignment.batches import BATCH_SIZE, make_proposals
from gateway.alignment.facts import load_facts
from gateway.dashboard.pages.plant.common import concepts_to_choose
from gateway.identity.audit_log import CLI_ACTOR
from gateway.plant.assets.ids import IMPORT
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.imports.importing import ImportOptions, PlantImporter
from gateway.plant.imports.readers import PlantFile
from gateway.plant.store.editing import Editing
from gateway.plant.store.mappings import Confirmation, confirm_mappings, count_mappings
from gateway.plant.store.proposals import QueueOrder, list_queue, list_to_propose, store_proposals
from gateway.tables import PlantPoint
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from load.bench.embedded_postgres import migrated_postgres
from models.tag_align.aligner import TagAligner

_MODEL = "measured"
_CONFIRMED = 50
_POINTS = (
    *("Supply Air Temp", "Return Air Temp", "Zone Temp", "Discharge Pressure", "Damper Pos"),
    *("Motor Current", "Bearing Temp", "Vibration", "Flow", "Level", "Valve Cmd", "Run Status"),
    *("Speed", "Power", "Energy", "Humidity", "CO2", "Setpoint", "Alarm", "Filter dP"),
)
_KINDS = ("AHU", "Pump", "Fan", "Chiller", "Boiler", "Conveyor", "Mixer", "Compressor")


def main() -> None:
    """Measure and print a report in Markdown."""
    asked = argparse.ArgumentParser(prog="python -m load.bench.plant_alignment")
    asked.add_argument("--points", type=int, default=100_000)
    asked.add_argument("--proposed", type=int, default=100_000)
    options = asked.parse_args()
    with migrated_postgres() as url:
        asyncio.run(_measure(url, options.points, options.proposed))


async def _measure(url: str, points: int, proposed: int) -> None:
    """Import a plant, propose mappings of its points, and time the queue."""
    database, clock = Database(url, pool_size=2), SystemClock()
    async with database.transaction() as session:
        limits = AccountLimits(100, None, None, None)
        account_id = (await open_account(session, clock, "Plant", "CNY", limits)).id
    importer = PlantImporter(database, clock, PlantLimits(points, points, 64 << 20))
    file = PlantFile("tags.csv", _tag_list(points))
    row = await importer.preview(account_id, CLI_ACTOR, file, ImportOptions())
    await importer.confirm(account_id, CLI_ACTOR, ids.format_id(IMPORT, row.id))
    await _propose(database, account_id, min(points, proposed))
    print("\n| step | ms | of it this process, ms of CPU |\n|---|---|---|")
    concepts_to_choose()
    for label, query in (
        ("counts by status", lambda one: count_mappings(one, account_id)),
        *(
            (
                f"queue, {order.value} first",
                lambda one, by=order: list_queue(one, account_id, 50, by),
            )
            for order in QueueOrder
        ),
        ("points to propose next", lambda one: list_to_propose(one, account_id, _MODEL, 2_048)),
        (f"confirmation of {_CONFIRMED} points", lambda one: _confirm(one, account_id)),
    ):
        async with database.transaction() as session:
            await _timed(label, lambda session=session, query=query: query(session))
    await database.close()


async def _propose(database: Database, account_id: UUID, points: int) -> None:
    """Propose mappings in batches, and print the points per second."""
    aligner, cursor, count = TagAligner.load(), None, 0
    model_s = 0.0
    began, used = time.perf_counter(), time.process_time()
    facts = await load_facts(database, account_id)
    while count < points:
        async with database.transaction() as session:
            batch = await list_to_propose(session, account_id, _MODEL, BATCH_SIZE, cursor)
        if not batch:
            break
        start = time.perf_counter()
        entries = _answer(aligner, batch)
        model_s += time.perf_counter() - start
        proposals = make_proposals(batch, entries, facts)
        async with database.transaction() as session:
            editing = Editing(session, SystemClock(), CLI_ACTOR, account_id, PlantLimits())
            await store_proposals(editing, proposals, _MODEL)
        cursor, count = batch[-1].id, count + len(batch)
    elapsed, busy = time.perf_counter() - began, time.process_time() - used
    print(
        "| proposed points | points/s | of it the model, s | in all, s | CPU of this process, s |"
    )
    print("|---|---|---|---|---|")
    print(f"| {count:,} | {count / elapsed:,.0f} | {model_s:.1f} | {elapsed:.1f} | {busy:.1f} |")


def _answer(aligner: TagAligner, points: Sequence[PlantPoint]) -> list[Mapping[str, Any]]:
    """Return the entries that the model gives for a batch, as `/v1/tags/align` returns them."""
    tags = [point.tag for point in points]
    ranks = {tag: rank for rank, tag in enumerate(aligner.propose(tags, BATCH_SIZE), start=1)}
    entries: list[Mapping[str, Any]] = []
    for tag, candidates in zip(tags, aligner.align(tags, 5), strict=True):
        described = aligner.describe(tag)
        entries.append(
            {
                "concept": candidates[0].concept.id if candidates else None,
                "score": candidates[0].score if candidates else 0.0,
                "rank": ranks.get(tag),
                "unit": described.unit.unit or None,
                "unit_basis": str(described.unit.basis) or None,
                "equipment": described.equipment or None,
            }
        )
    return entries


async def _confirm(session: Any, account_id: UUID) -> int:
    """Confirm the first proposals of the queue that have a concept."""
    queue = await list_queue(session, account_id, _CONFIRMED, QueueOrder.CERTAIN)
    confirmations = [Confirmation(ids.format_id("pt", one.point.id)) for one in queue]
    editing = Editing(session, SystemClock(), CLI_ACTOR, account_id, PlantLimits())
    return await confirm_mappings(editing, confirmations)


async def _timed(label: str, action: Callable[[], Awaitable[Any]]) -> Any:
    """Run an action, print how long it took, and return its result."""
    began, used = time.perf_counter(), time.process_time()
    result = await action()
    elapsed, busy = time.perf_counter() - began, time.process_time() - used
    print(f"| {label} | {elapsed * 1000:,.1f} | {busy * 1000:,.1f} |", flush=True)
    return result


def _tag_list(points: int) -> bytes:
    """Return a tag list of points below machines: every second one has its asset, and no unit."""
    rows = ["tag,name,path"]
    for number in range(points):
        asset, at = divmod(number, len(_POINTS))
        path = f"Works/Area {asset // 500}/Line {asset // 50}/{_KINDS[asset % 8]} {asset}"
        tag = f"{path}/{_POINTS[at]} {number}"
        rows.append(f"{tag},{_POINTS[at]},{path if number % 2 else ''}")
    return "\n".join(rows).encode()


if __name__ == "__main__":
    main()
