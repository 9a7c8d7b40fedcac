"""Read the candidate points of an asset and their readings."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from gateway.plant.assets.values import DataType, MappingStatus
from gateway.plant.predictions.values import CandidatePoint, PointReadings
from gateway.plant.readings.quality import BAD
from gateway.plant.readings.storage.queries import (
    MAX_READINGS,
    TimeRange,
    read_newest,
    read_series,
)
from gateway.plant.store.parts import is_point_of, parts_of_assets
from gateway.tables.plant import PlantPoint

MAX_POINTS = 2_000
_PART = parts_of_assets()
# The asset's own points first, then those of its parts by their distance.
_SELECT_POINTS = (
    select(
        _PART.c.depth, col(PlantPoint.id), col(PlantPoint.tag), col(PlantPoint.name),
        col(PlantPoint.unit), col(PlantPoint.data_type), col(PlantPoint.concept_id),
        col(PlantPoint.mapping_status), col(PlantPoint.low), col(PlantPoint.high),
    )
    .where(*is_point_of(_PART))
    .order_by(_PART.c.depth, col(PlantPoint.id))
    .limit(MAX_POINTS)
)  # fmt: skip


async def read_candidates(
    session: AsyncSession, account_id: UUID, asset_id: UUID
) -> tuple[list[CandidatePoint], list[CandidatePoint]]:
    """Return the points of an asset, and these with the points of its parts."""
    parameters = {"account_id": account_id, "asset_ids": [asset_id]}
    rows = (await session.execute(_SELECT_POINTS, parameters)).all()
    own = [_candidate(row) for row in rows if row.depth == 0]
    return own, [_candidate(row) for row in rows]


def _candidate(row: Any) -> CandidatePoint:
    is_confirmed = row.mapping_status == MappingStatus.CONFIRMED
    has_bounds = row.low is not None and row.high is not None
    return CandidatePoint(
        id=row.id,
        tag=row.tag,
        name=row.name,
        unit=row.unit,
        is_text=row.data_type == DataType.TEXT,
        concept=row.concept_id.rpartition("#")[2] if is_confirmed else "",
        concept_id=row.concept_id if is_confirmed else "",
        bounds=(row.low, row.high) if has_bounds else None,
    )


async def read_newest_readings(
    session: AsyncSession, account_id: UUID, point_ids: Sequence[UUID]
) -> Mapping[UUID, PointReadings]:
    """Return the newest reading of each point that has one of good or uncertain quality."""
    newest = await read_newest(session, account_id, point_ids)
    return {
        point_id: PointReadings(np.array([one.time_us]), np.array([one.value], dtype=np.float64))
        for point_id, one in newest.items()
        if one.value is not None and one.status < BAD
    }


async def read_usable_readings(
    session: AsyncSession, account_id: UUID, point_ids: Sequence[UUID], within: TimeRange
) -> Mapping[UUID, PointReadings]:
    """Return the readings of points in a range, without those of bad quality or without value.

    Raises ReadingsRangeTooLarge.
    """
    found = await read_series(session, account_id, point_ids, within, MAX_READINGS)
    usable = {}
    for point_id, one in found.items():
        series = one.series
        good = (series.statuses < BAD) & np.isfinite(series.values)
        usable[point_id] = PointReadings(series.times[good], series.values[good])
    return usable
