"""Store accepted readings of an account in one transaction, each once.

The rows of the points in plant_reading_series are locked in the order of their ids, so that two
requests with the same readings cannot both find them new. Readings after a point's newest one need
no look at what is stored.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.readings.acceptance import AcceptedReadings
from gateway.plant.readings.codec import encode_for_buffer
from gateway.plant.readings.merging import MergeResult, compare
from gateway.plant.readings.storage.blocks import HourRange, load_parts
from gateway.plant.readings.values import HOUR_US, Series, hour_of
from infra.database.copying import copy_rows

_NONE_US = -1
_LOCK = text("""
    select point_id, last_us from plant_reading_series
    where account_id = :account_id and point_id = any(:point_ids)
    order by point_id for update
""")
_INSERT = text("""
    insert into plant_reading_series (point_id, account_id, last_us, last_value, last_status)
    select point_id, :account_id, -1, null, 0 from unnest(cast(:point_ids as uuid[])) point_id
    order by point_id on conflict do nothing
""")
_UPDATE = text("""
    update plant_reading_series s
    set last_us = n.last_us, last_value = n.last_value, last_status = n.last_status
    from unnest(
        cast(:point_ids as uuid[]), cast(:times as bigint[]), cast(:values as float8[]),
        cast(:statuses as bigint[])
    ) n (point_id, last_us, last_value, last_status)
    where s.account_id = :account_id and s.point_id = n.point_id and n.last_us >= s.last_us
""")
_BUFFER_COLUMNS = (
    ("account_id", "uuid"),
    ("point_id", "uuid"),
    ("hour", "int4"),
    ("count", "int4"),
    ("data", "bytea"),
)


@dataclass(frozen=True, slots=True)
class StoreResult:
    """How many readings were new, duplicates and revisions."""

    new: int
    duplicates: int
    revised: int

    @property
    def stored(self) -> int:
        """The readings that were written and are billed."""
        return self.new + self.revised


async def store_readings(
    session: AsyncSession, account_id: UUID, accepted: AcceptedReadings
) -> StoreResult:
    """Store what is new or revised of accepted readings. Raises SQLAlchemy's DBAPIError."""
    newest = await _lock_series(session, account_id, sorted(accepted.series))
    merged = await _compare_with_stored(session, account_id, accepted.series, newest)
    to_store = {key: one.to_store for key, one in merged.items() if len(one.to_store)}
    if to_store:
        rows = await asyncio.to_thread(lambda: list(_rows(account_id, to_store)))
        await copy_rows(session, "plant_reading_buffer", _BUFFER_COLUMNS, rows)
        await _update_series(session, account_id, to_store)
    return StoreResult(
        sum(one.new for one in merged.values()),
        sum(one.duplicates for one in merged.values()) + accepted.duplicates,
        sum(one.revised for one in merged.values()),
    )


async def _lock_series(
    session: AsyncSession, account_id: UUID, point_ids: list[UUID]
) -> Mapping[UUID, int]:
    """Lock the points' rows, creating missing ones; return the newest times, -1 without any."""
    parameters = {"account_id": account_id, "point_ids": point_ids}
    rows = (await session.execute(_LOCK, parameters)).all()
    if len(rows) < len(point_ids):
        await session.execute(_INSERT, parameters)
        rows = (await session.execute(_LOCK, parameters)).all()
    return {point_id: last_us for point_id, last_us in rows}


async def _compare_with_stored(
    session: AsyncSession,
    account_id: UUID,
    series: Mapping[UUID, Series],
    newest: Mapping[UUID, int],
) -> dict[UUID, MergeResult]:
    """Return what to store of each point; loads stored readings only where times overlap."""
    overlaps: dict[HourRange, list[UUID]] = {}
    for point_id, incoming in series.items():
        first_us, last_us = int(incoming.times[0]), newest.get(point_id, _NONE_US)
        if first_us <= last_us:
            last = min(last_us, int(incoming.times[-1]))
            overlaps.setdefault(HourRange(hour_of(first_us), hour_of(last)), []).append(point_id)
    stored: dict[UUID, Series] = {}
    for hours, point_ids in overlaps.items():
        parts = await load_parts(session, account_id, point_ids, hours)
        stored |= {point_id: parts[point_id].decoded() for point_id in point_ids}
    nothing = Series.empty()
    return {
        point_id: compare(incoming, stored.get(point_id, nothing))
        for point_id, incoming in series.items()
    }


def _rows(account_id: UUID, series: Mapping[UUID, Series]) -> Iterator[tuple[Any, ...]]:
    """Yield the buffer's rows: one for each point and hour."""
    for point_id, one in series.items():
        for hour, part in split_by_hour(one):
            yield account_id, point_id, hour, len(part), encode_for_buffer(part)


def split_by_hour(series: Series) -> Iterator[tuple[int, Series]]:
    """Yield hours since 1970 with their readings, in order."""
    hours = series.times // HOUR_US
    if hours[0] == hours[-1]:
        yield int(hours[0]), series
        return
    firsts = np.flatnonzero(np.append(True, np.diff(hours) != 0))
    ends = np.append(firsts[1:], len(series))
    for first, end in zip(firsts.tolist(), ends.tolist(), strict=True):
        yield int(hours[first]), series[first:end]


async def _update_series(
    session: AsyncSession, account_id: UUID, series: Mapping[UUID, Series]
) -> None:
    """Store the newest reading of each point."""
    lasts = [(one.times[-1], one.values[-1], one.statuses[-1]) for one in series.values()]
    await session.execute(
        _UPDATE,
        {
            "account_id": account_id,
            "point_ids": list(series),
            "times": [int(time) for time, _, _ in lasts],
            "values": [None if np.isnan(value) else float(value) for _, value, _ in lasts],
            "statuses": [int(status) for _, _, status in lasts],
        },
    )
