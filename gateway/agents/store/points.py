"""The points that an agent of an asset can watch: those of the asset and of its parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from gateway.plant.store.parts import is_point_of, parts_of_assets
from gateway.tables.plant import PlantPoint

_MAX_POINTS = 300
_PART = parts_of_assets()
_SELECT = (
    select(col(PlantPoint.id), col(PlantPoint.tag), col(PlantPoint.name), col(PlantPoint.unit))
    .where(*is_point_of(_PART))
    .order_by(_PART.c.depth, col(PlantPoint.tag))
    .limit(_MAX_POINTS)
)


@dataclass(frozen=True, slots=True)
class WatchablePoint:
    """A point by its id, tag, name and unit; without a unit it is empty."""

    id: UUID
    tag: str
    name: str
    unit: str


async def list_watchable_points(
    session: AsyncSession, account_id: UUID, asset_id: UUID
) -> Sequence[WatchablePoint]:
    """Return the points of an asset and its parts, those of the asset first."""
    parameters = {"account_id": account_id, "asset_ids": [asset_id]}
    rows = (await session.execute(_SELECT, parameters)).all()
    return [WatchablePoint(row.id, row.tag, row.name or "", row.unit or "") for row in rows]
