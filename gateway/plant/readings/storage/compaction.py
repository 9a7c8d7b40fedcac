"""Merge buffered readings into compressed blocks and rollups, exactly once.

Reading, writing and deletion of a point's hour are one transaction under the lock of the point's
row, so a stopped worker changes nothing, and readings that arrive meanwhile wait in the buffer.

Readings that cannot be merged (damaged ones, or of a format of a newer release) stay as they are
and hold up no other hour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.readings.codec import encode
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.rollups import roll_up
from gateway.plant.readings.storage.blocks import StoredParts, day_of_hour
from gateway.plant.readings.storage.partitions import create_partitions
from gateway.plant.readings.values import HOUR_US, MINUTE_US
from infra.clock import Clock
from infra.database.database import Database

# An hour is merged when it has ended, or when a point has this many buffer rows of it.
MAX_BUFFER_ROWS = 60
_BATCH = 200
_MAX_BATCHES = 500
# Late readings of an hour that has just ended are merged with it.
_GRACE_US = 2 * MINUTE_US
# An hour that could not be merged is tried again after this time: its rows may have been repaired,
# or its damaged block may have expired.
_RETRY_AFTER = timedelta(hours=6)
_FIND_DUE = text("""
    select account_id, point_id, hour from plant_reading_buffer b
    where not exists (
        select from unnest(cast(:point_ids as uuid[]), cast(:hours as int[])) d (point_id, hour)
        where d.point_id = b.point_id and d.hour = b.hour
    )
    group by account_id, point_id, hour
    having hour < :hour or count(*) >= :rows
    order by hour, point_id limit :limit
""")
_LOCK = text("""
    select point_id from plant_reading_series where point_id = any(:point_ids)
    order by point_id for update
""")
_READ_BUFFER = text("""
    select b.id, b.point_id, b.hour, b.data from plant_reading_buffer b
    join unnest(cast(:point_ids as uuid[]), cast(:hours as int[])) d (point_id, hour)
    on b.point_id = d.point_id and b.hour = d.hour
    order by b.id
""")
_DELETE = text("delete from plant_reading_buffer where id = any(:ids)")
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


@dataclass(frozen=True, slots=True)
class _MergedHour:
    """All readings of an hour of a point: their number, block and aggregates by minute."""

    due: _DueHour
    count: int
    content: bytes
    minutes: bytes


class UnmergedHours:
    """Hours whose readings could not be merged, which a process leaves out for some hours.

    Otherwise they would fill every batch, as the oldest hours come first. `found` counts them, each
    time that they were tried.
    """

    def __init__(self) -> None:
        self.found = 0
        self._retry_at: dict[_DueHour, datetime] = {}

    def add(self, hours: Sequence[_DueHour], now: datetime) -> None:
        """Leave out hours until they are to be tried again."""
        self.found += len(hours)
        self._retry_at |= dict.fromkeys(hours, now + _RETRY_AFTER)

    def list_left_out(self, now: datetime) -> list[_DueHour]:
        """List the hours to leave out now, and forget the others."""
        self._retry_at = {hour: at for hour, at in self._retry_at.items() if at > now}
        return list(self._retry_at)


async def compact(database: Database, clock: Clock, unmerged: UnmergedHours | None = None) -> int:
    """Merge all due hours but those that `unmerged` leaves out. Returns how many were merged.

    Hours that cannot be merged are logged and added to `unmerged`; their rows are not changed.
    """
    left_out = UnmergedHours() if unmerged is None else unmerged
    merged = 0
    for _ in range(_MAX_BATCHES):
        due = await _find_due(database, clock.now(), left_out)
        if due:
            failed = await _compact_batch(database, due)
            left_out.add(failed, clock.now())
            merged += len(due) - len(failed)
        if len(due) < _BATCH:
            break
    return merged


async def _find_due(
    database: Database, now: datetime, unmerged: UnmergedHours
) -> Sequence[_DueHour]:
    """Return up to _BATCH hours to merge, oldest first, and create missing partitions for them."""
    ended = (from_datetime(now) - _GRACE_US) // HOUR_US
    parameters = {
        **_columns(unmerged.list_left_out(now)),
        "hour": ended,
        "rows": MAX_BUFFER_ROWS,
        "limit": _BATCH,
    }
    async with database.transaction() as session:
        found = (await session.execute(_FIND_DUE, parameters)).all()
        due = [_DueHour(*row) for row in found]
        if due:
            await create_partitions(session, {day_of_hour(one.hour) for one in due})
    return due


async def _compact_batch(database: Database, due: Sequence[_DueHour]) -> Sequence[_DueHour]:
    """Merge hours in one transaction. Returns those that cannot be merged."""
    async with database.transaction() as session:
        await session.execute(_LOCK, {"point_ids": sorted({one.point_id for one in due})})
        return await _merge(session, due)


async def _merge(session: AsyncSession, due: Sequence[_DueHour]) -> Sequence[_DueHour]:
    """Move the buffered readings of hours into their blocks, and update the rollups.

    Returns the hours whose readings cannot be merged, which are left as they are.
    """
    columns = _columns(due)
    days = [day_of_hour(one.hour) for one in due]
    blocks = (await session.execute(_FIND_BLOCKS, {**columns, "days": days})).all()
    buffered = (await session.execute(_READ_BUFFER, columns)).all()
    parts: dict[tuple[UUID, int], StoredParts] = {}
    for point_id, hour, data in blocks:
        parts.setdefault((point_id, hour), StoredParts()).blocks.append(data)
    for _id, point_id, hour, data in buffered:
        parts.setdefault((point_id, hour), StoredParts()).buffered.append(data)
    # Another worker may have merged the readings since they were found.
    left = [one for one in due if parts.get((one.point_id, one.hour), StoredParts()).buffered]
    merged, failed = _merge_each(left, [parts[one.point_id, one.hour] for one in left])
    if merged:
        hours = {(one.due.point_id, one.due.hour) for one in merged}
        ids = [row_id for row_id, point_id, hour, _ in buffered if (point_id, hour) in hours]
        await session.execute(_DELETE, {"ids": ids})
        await _write(session, merged)
    return failed


def _merge_each(
    hours: Sequence[_DueHour], parts: Sequence[StoredParts]
) -> tuple[list[_MergedHour], list[_DueHour]]:
    """Return the hours whose parts could be merged, and those that could not, which are logged."""
    merged: list[_MergedHour] = []
    failed: list[tuple[_DueHour, str]] = []
    for hour, stored in zip(hours, parts, strict=True):
        try:
            series = stored.decoded()
            minutes = roll_up(series, MINUTE_US).to_bytes()
            merged.append(_MergedHour(hour, len(series), encode(series), minutes))
        except ValueError as error:  # BlockDamaged, or more readings than a block holds
            failed.append((hour, str(error)))
    if failed:
        # One line for all: a release that does not know the format of newer blocks fails for each.
        first, reason = failed[0]
        structlog.get_logger().error(
            "readings of points could not be merged",
            hours=len(failed),
            account=first.account_id.hex,
            point=first.point_id.hex,
            hour=first.hour,
            reason=reason,
        )
    return merged, [hour for hour, _ in failed]


async def _write(session: AsyncSession, merged: Sequence[_MergedHour]) -> None:
    """Write blocks and rollups of hours, replacing earlier ones."""
    hours = [one.due for one in merged]
    columns = {
        **_columns(hours),
        "days": [day_of_hour(one.hour) for one in hours],
        "account_ids": [one.account_id for one in hours],
    }
    contents = [one.content for one in merged]
    counts = [one.count for one in merged]
    await session.execute(_WRITE_BLOCKS, {**columns, "counts": counts, "contents": contents})
    await session.execute(_WRITE_ROLLUPS, {**columns, "minutes": [one.minutes for one in merged]})


def _columns(hours: Sequence[_DueHour]) -> Mapping[str, Any]:
    """Return points and hours as arrays."""
    return {
        "point_ids": [one.point_id for one in hours],
        "hours": [one.hour for one in hours],
    }
