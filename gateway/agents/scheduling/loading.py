"""Read what the scheduling of pumps needs from the account's readings."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.definitions.values import Comparison, Rule
from gateway.agents.rules import NewestReading
from gateway.agents.running.observing import find_watched_points
from gateway.agents.scheduling.deciding import ScheduleReadings
from gateway.agents.scheduling.history import History, column_of
from gateway.agents.scheduling.levels import MAX_AHEAD_S, LevelReadings
from gateway.agents.scheduling.slots import start_of_day
from gateway.plant.predictions.points import read_usable_readings
from gateway.plant.readings.errors import ReadingsRangeTooLarge
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.quality import BAD
from gateway.plant.readings.rollups import Rollup, roll_up
from gateway.plant.readings.storage.queries import (
    MAX_READINGS,
    TimeRange,
    read_aggregates,
    read_series,
)
from gateway.plant.readings.values import SECOND_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = np.zeros(0, np.int64), np.zeros(0)


@dataclass(frozen=True, slots=True)
class SchedulePoint:
    """A point of a schedule with its newest reading."""

    id: UUID
    newest: NewestReading


async def find_points(
    session: AsyncSession, account_id: UUID, asset_id: UUID, step: ScheduleStep
) -> Mapping[str, SchedulePoint]:
    """Return the points of an asset and its parts that a schedule names, by tag."""
    wanted = [Rule(name=tag, tag=tag, comparison=Comparison.ABOVE, limit=0.0) for tag in step.tags]
    rows = (await find_watched_points(session, account_id, [asset_id], wanted)).get(asset_id, ())
    # The nearest point comes first; one of the same tag further down does not replace it.
    return {row.tag: SchedulePoint(row.point_id, _newest(row)) for row in reversed(rows)}


async def read_now(
    session: AsyncSession,
    account_id: UUID,
    step: ScheduleStep,
    points: Mapping[str, SchedulePoint],
    at: datetime,
) -> ScheduleReadings:
    """Return the newest readings and the recent course of the level."""
    newest = {tag: point.newest for tag, point in points.items()}
    level = points.get(step.level.tag)
    if level is None:
        return ScheduleReadings(LevelReadings(None, *_NOTHING), newest)
    since = at - timedelta(seconds=max(step.level.stale_s, 2 * step.level.frozen_s))
    until = at + timedelta(seconds=MAX_AHEAD_S)
    within = TimeRange(from_datetime(since), from_datetime(until))
    found = (await read_usable_readings(session, account_id, [level.id], within)).get(level.id)
    times, values = _NOTHING if found is None else (found.times, found.values)
    last = level.newest
    if last.time is not None and last.value is not None and not since <= last.time <= until:
        # Outside the range the newest reading alone says why the level is not usable.
        times, values = np.array([from_datetime(last.time)]), np.array([last.value])
    return ScheduleReadings(LevelReadings(last.unit, times, values), newest)


async def read_history(
    session: AsyncSession,
    account_id: UUID,
    step: ScheduleStep,
    points: Mapping[str, SchedulePoint],
    days: Sequence[date],
) -> History:
    """Return the points by slot, for local days in a row and one slot before them."""
    start = start_of_day(step, days[0]) - timedelta(seconds=step.slot_s)
    end = start_of_day(step, days[-1] + timedelta(days=1))
    slot_us = round(step.slot_s * SECOND_US)
    within = TimeRange(from_datetime(start), from_datetime(end))
    found = await _read_rollups(session, account_id, points, within, slot_us)
    count = 1 + round((end - start).total_seconds() / step.slot_s - 1)
    columns = {
        tag: column_of(found[point.id], point.newest.unit, within.start_us, slot_us, count)
        for tag, point in points.items()
        if point.id in found
    }
    return History(days, columns)


async def _read_rollups(
    session: AsyncSession,
    account_id: UUID,
    points: Mapping[str, SchedulePoint],
    within: TimeRange,
    slot_us: int,
) -> Mapping[UUID, Rollup]:
    """Return the aggregates of points by slot: of the readings, or of stored ones if too many."""
    ids = [point.id for point in points.values()]
    if not ids:
        return {}
    try:
        found = await read_series(session, account_id, ids, within, MAX_READINGS)
    except ReadingsRangeTooLarge:
        return await read_aggregates(session, account_id, ids, within, slot_us)
    return await asyncio.to_thread(
        lambda: {point_id: roll_up(one.series, slot_us) for point_id, one in found.items()}
    )


def _newest(row: Any) -> NewestReading:
    """Return the newest reading of a point; one of bad quality counts as none."""
    if row.last_value is None or row.last_status >= BAD:
        return NewestReading(row.tag, row.unit)
    return NewestReading(
        row.tag, row.unit, row.last_value, _EPOCH + timedelta(microseconds=row.last_us)
    )
