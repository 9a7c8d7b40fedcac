"""The points that an agent of an asset can watch: those of the asset and of its parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_MAX_POINTS = 300
_SELECT = text("""
    with recursive part(id, depth) as (
        select id, 0 from plant_asset where id = :asset_id and account_id = :account_id
        union all
        select child.id, part.depth + 1 from plant_asset child
        join part on child.parent_id = part.id
        where child.account_id = :account_id and child.retired_at is null and part.depth < 8
    )
    select point.id, point.tag, point.name, point.unit
    from part join plant_point point on point.asset_id = part.id
    where point.account_id = :account_id and point.retired_at is null
    order by part.depth, point.tag
    limit :most
""")


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
    parameters = {"account_id": account_id, "asset_id": asset_id, "most": _MAX_POINTS}
    rows = (await session.execute(_SELECT, parameters)).all()
    return [WatchablePoint(row.id, row.tag, row.name or "", row.unit or "") for row in rows]
