"""Merge buffered readings into compressed blocks and rollups, exactly once.

Reading, writing and deletion of a point's hour are one transaction under the lock of the point's
row, so a stopped worker changes nothing, and readings that arrive meanwhile wait in the buffer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.readings.codec import encode
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.rollups import roll_up
from gateway.plant.readings.storage.blocks import StoredParts, day_of_hour
from gateway.plant.readings.storage.partitions import create_partitions
from gateway.plant.readings.values import HOUR_US, MINUTE_US, Series
from infra.clock import Clock
from infra.database.database import Database

# An hour is merged when it has ended, or when a point has this many buffer rows of it.
MAX_BUFFER_ROWS = 60
_BATCH = 200
_MAX_BATCHES = 500
# Late readings of an hour that has just ended are merged with it.
_GRACE_US = 2 * MINUTE_US
_FIND_DUE = text("""
    select account_id, point_id, hour from plant_reading_buffer
    group by account_id, point_id, hour
    having hour < :hour or count(*) >= :rows
    order by hour, point_id limit :limit
""")
_LOCK = text("""
    select point_id from plant_reading_series where point_id = any(:point_ids)
    order by point_id for update
""")
_TAKE = text("""
    delete from plant_reading_buffer b
    using unnest(cast(:point_ids as uuid[]), cast(:hours as int[])) d (point_id, hour)
    where b.point_id = d.point_id and b.hour = d.hour
    returning b.id, b.point_id, b.hour, b.data
""")
_FIND_BLOCKS = text("""
    select b.point_id, b.hour, b.data from plant_reading_block b
    join unnest(cast(:point_ids as uuid[]), cast(:hours as int[]), cast(:days as date[]))
        d (point_id, hour, day)
    on b.day = d.day and b.point_id = d.point_id and b.hour = d.hour
""")
_WRITE_BLOCKS = text("""
    insert into plant_reading_block (day, point_id, hour, account_id, count, data)
    select * from unnest(
        cast(:days as date[]), cast(:point_ids as uuid[]), cast(:hours as int[]),
        cast(:account_ids as uuid[]), cast(:counts as int[]), cast(:contents as bytea[])
    )
    on conflict (day, point_id, hour) do update set count = excluded.count, data = excluded.data
""")
_WRITE_ROLLUPS = text("""
    insert into plant_reading_rollup (day, point_id, hour, account_id, minutes)
    select * from unnest(
        cast(:days as date[]), cast(:point_ids as uuid[]), cast(:hours as int[]),
        cast(:account_ids as uuid[]), cast(:minutes as bytea[])
    )
    on conflict (day, point_id, hour) do update set minutes = excluded.minutes
""")


@dataclass(frozen=True, slots=True)
class _DueHour:
    """An hour of a point whose buffered readings are to be merged."""

    account_id: UUID
    point_id: UUID
    hour: int


async def compact(database: Database, clock: Clock) -> int:
    """Merge all due hours. Returns how many were merged."""
    merged = 0
    for _ in range(_MAX_BATCHES):
        count = await _compact_batch(database, clock)
        merged += count
        if count < _BATCH:
            break
    return merged


async def _compact_batch(database: Database, clock: Clock) -> int:
    """Merge up to _BATCH hours in one transaction. Returns how many were merged."""
    ended = (from_datetime(clock.now()) - _GRACE_US) // HOUR_US
    async with database.transaction() as session:
        parameters = {"hour": ended, "rows": MAX_BUFFER_ROWS, "limit": _BATCH}
        found = (await session.execute(_FIND_DUE, parameters)).all()
        due = [_DueHour(*row) for row in found]
        if not due:
            return 0
        await create_partitions(session, {day_of_hour(one.hour) for one in due})
    async with database.transaction() as session:
        await session.execute(_LOCK, {"point_ids": sorted({one.point_id for one in due})})
        await _merge(session, due)
    return len(due)


async def _merge(session: AsyncSession, due: Sequence[_DueHour]) -> None:
    """Move the buffered readings of hours into their blocks, and update the rollups."""
    columns = _columns(due)
    taken = (await session.execute(_TAKE, columns)).all()
    days = [day_of_hour(one.hour) for one in due]
    blocks = (await session.execute(_FIND_BLOCKS, {**columns, "days": days})).all()
    parts: dict[tuple[UUID, int], StoredParts] = {}
    for point_id, hour, data in blocks:
        parts.setdefault((point_id, hour), StoredParts()).blocks.append(data)
    for _id, point_id, hour, data in sorted(taken, key=lambda row: row[0]):
        parts.setdefault((point_id, hour), StoredParts()).buffered.append(data)
    # Another worker may have taken the readings since they were found.
    left = [one for one in due if parts.get((one.point_id, one.hour), StoredParts()).buffered]
    if left:
        series = [parts[one.point_id, one.hour].decoded() for one in left]
        await _write(session, left, series)


async def _write(
    session: AsyncSession, hours: Sequence[_DueHour], series: Sequence[Series]
) -> None:
    """Write blocks and rollups of hours, replacing earlier ones."""
    columns = {
        **_columns(hours),
        "days": [day_of_hour(one.hour) for one in hours],
        "account_ids": [one.account_id for one in hours],
    }
    contents = [encode(one) for one in series]
    counts = [len(one) for one in series]
    await session.execute(_WRITE_BLOCKS, {**columns, "counts": counts, "contents": contents})
    minutes = [roll_up(one, MINUTE_US).to_bytes() for one in series]
    await session.execute(_WRITE_ROLLUPS, {**columns, "minutes": minutes})


def _columns(hours: Sequence[_DueHour]) -> Mapping[str, Any]:
    """Return points and hours as arrays."""
    return {
        "point_ids": [one.point_id for one in hours],
        "hours": [one.hour for one in hours],
    }
