"""The hierarchy of assets as a tree: the parts of an asset, and the way to the top."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.limits import MAX_DEPTH
from gateway.tables.plant import PlantAsset

PAGE = 100
_ABOVE = text(
    """
    with recursive way(id, parent_id, depth) as (
        select id, parent_id, 0 from plant_asset where id = :start and account_id = :account
        union all
        select above.id, above.parent_id, way.depth + 1
        from plant_asset above join way on above.id = way.parent_id
        where above.account_id = :account and way.depth <= :most
    )
    select id from way order by depth desc
    """
)


async def list_parts(
    session: AsyncSession, account_id: UUID, parent: UUID | None, after: str | None = None
) -> tuple[list[PlantAsset], str | None]:
    """Return a page of the parts of an asset, or of the top, by code, and the code to go on after.

    `after` is the last code of the page before; the second value is None on the last page.
    """
    at = col(PlantAsset.parent_id)
    query = select(PlantAsset).where(
        col(PlantAsset.account_id) == account_id,
        col(PlantAsset.retired_at).is_(None),
        at.is_(None) if parent is None else at == parent,
    )
    if after is not None:
        query = query.where(col(PlantAsset.code) > after)
    found = (await session.scalars(query.order_by(col(PlantAsset.code)).limit(PAGE + 1))).all()
    rows = list(found[:PAGE])
    return rows, rows[-1].code if len(found) > PAGE else None


async def list_way(session: AsyncSession, account_id: UUID, asset_id: UUID) -> list[PlantAsset]:
    """Return the assets from the top to an asset, which is the last."""
    parameters = {"start": asset_id, "account": account_id, "most": MAX_DEPTH}
    found = (await session.scalars(_ABOVE, parameters)).all()
    query = select(PlantAsset).where(
        col(PlantAsset.account_id) == account_id, col(PlantAsset.id).in_(found)
    )
    rows = {row.id: row for row in (await session.scalars(query)).all()}
    return [rows[one] for one in found]
