"""Read an account's readings and aggregates in a range of time, within bounds."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.readings.codec import decode
from gateway.plant.readings.downsampling import downsample
from gateway.plant.readings.errors import ReadingsRangeTooLarge
from gateway.plant.readings.merging import merge
from gateway.plant.readings.rollups import Rollup, combine, concatenate_rollups, roll_up
from gateway.plant.readings.storage.blocks import (
    HourRange,
    StoredParts,
    count_readings,
    load_parts,
)
from gateway.plant.readings.values import HOUR_US, MINUTE_US, Series, hour_of

# Decoded in about a second; a month of one point at 1 s has 2.7 million.
MAX_READINGS = 5_000_000
_SELECT_ROLLUPS = text("""
    select point_id, hour, minutes from plant_reading_rollup
    where account_id = :account_id and point_id = any(:point_ids)
      and day between :first_day and :last_day and hour between :first_hour and :last_hour
    order by point_id, hour
""")
_SELECT_NEWEST = text("""
    select point_id, last_us, last_value, last_status from plant_reading_series
    where account_id = :account_id and point_id = any(:point_ids)
""")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From `start_us` to before `end_us`, in microseconds; not empty."""

    start_us: int
    end_us: int

    @property
    def hours(self) -> HourRange:
        """The hours that contain the range."""
        return HourRange(hour_of(self.start_us), hour_of(self.end_us - 1))


@dataclass(frozen=True, slots=True)
class ReadSeries:
    """Readings of a range, downsampled to `series` if there are more; `count` are all."""

    count: int
    series: Series


@dataclass(frozen=True, slots=True)
class NewestReading:
    """The newest reading of a point; `value` is None if it has none."""

    time_us: int
    value: float | None
    status: int


async def read_series(
    session: AsyncSession,
    account_id: UUID,
    point_ids: Collection[UUID],
    within: TimeRange,
    max_points: int,
) -> Mapping[UUID, ReadSeries]:
    """Return the readings of points, at most `max_points` each. Raises ReadingsRangeTooLarge."""
    if await count_readings(session, account_id, point_ids, within.hours) > MAX_READINGS:
        raise ReadingsRangeTooLarge(
            f"The range has more than {MAX_READINGS:,} readings. Ask for a shorter range, fewer "
            "points or an aggregate.",
            param="from",
        )
    parts = await load_parts(session, account_id, point_ids, within.hours)
    return await asyncio.to_thread(_decode_all, parts, within, max_points)


def _decode_all(
    parts: Mapping[UUID, StoredParts], within: TimeRange, max_points: int
) -> Mapping[UUID, ReadSeries]:
    """Return decoded and downsampled readings of each point."""
    decoded = {
        point_id: one.decoded().between(within.start_us, within.end_us)
        for point_id, one in parts.items()
    }
    return {
        point_id: ReadSeries(len(series), downsample(series, max_points))
        for point_id, series in decoded.items()
    }


async def read_aggregates(
    session: AsyncSession,
    account_id: UUID,
    point_ids: Collection[UUID],
    within: TimeRange,
    interval_us: int,
) -> Mapping[UUID, Rollup]:
    """Return aggregates of points by interval, a multiple of a minute.

    Hours with buffered readings are computed from the readings, others are stored by minute. The
    range is extended to whole intervals.
    """
    start = within.start_us // interval_us * interval_us
    end = -(-within.end_us // interval_us) * interval_us
    hours = TimeRange(start, end).hours
    parameters = hours.parameters(account_id, point_ids)
    stored: dict[UUID, dict[int, bytes]] = {point_id: {} for point_id in point_ids}
    for point_id, hour, minutes in await session.execute(_SELECT_ROLLUPS, parameters):
        stored[point_id][hour] = minutes
    fresh = await _load_buffered_hours(session, account_id, point_ids, hours)
    return await asyncio.to_thread(_combine_all, stored, fresh, (start, end), interval_us)


async def _load_buffered_hours(
    session: AsyncSession, account_id: UUID, point_ids: Collection[UUID], hours: HourRange
) -> Mapping[UUID, Mapping[int, Series]]:
    """Return the readings of hours with buffered readings, by point and hour."""
    rows = await session.execute(
        text(
            "select distinct point_id, hour from plant_reading_buffer where "
            "account_id = :account_id and point_id = any(:point_ids) "
            "and hour between :first_hour and :last_hour"
        ),
        hours.parameters(account_id, point_ids),
    )
    points_by_hour: dict[int, list[UUID]] = {}
    for point_id, hour in rows:
        points_by_hour.setdefault(hour, []).append(point_id)
    fresh: dict[UUID, dict[int, Series]] = {}
    for hour, ids in points_by_hour.items():
        parts = await load_parts(session, account_id, ids, HourRange(hour, hour))
        for point_id, one in parts.items():
            fresh.setdefault(point_id, {})[hour] = merge(
                [decode(data) for data in (*one.blocks, *one.buffered)]
            )
    return fresh


def _combine_all(
    stored: Mapping[UUID, Mapping[int, bytes]],
    fresh: Mapping[UUID, Mapping[int, Series]],
    within: tuple[int, int],
    interval_us: int,
) -> Mapping[UUID, Rollup]:
    """Return the aggregates of each point by interval."""
    combined: dict[UUID, Rollup] = {}
    for point_id, minutes in stored.items():
        own = fresh.get(point_id, {})
        parts = [
            roll_up(own[hour], MINUTE_US) if hour in own else Rollup.from_bytes(minutes[hour])
            for hour in sorted({*minutes, *own})
        ]
        whole = concatenate_rollups(parts)
        inside = (whole.starts >= within[0]) & (whole.starts < within[1])
        combined[point_id] = combine(whole[inside], interval_us)
    return combined


async def read_newest(
    session: AsyncSession, account_id: UUID, point_ids: Sequence[UUID]
) -> Mapping[UUID, NewestReading]:
    """Return the newest readings of points that have any."""
    parameters = {"account_id": account_id, "point_ids": list(point_ids)}
    rows = (await session.execute(_SELECT_NEWEST, parameters)).all()
    return {point_id: NewestReading(*newest) for point_id, *newest in rows}


INTERVALS_US: Mapping[str, int] = {"1m": MINUTE_US, "1h": HOUR_US, "1d": 24 * HOUR_US}
