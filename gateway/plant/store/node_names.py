"""Codes and tags of nodes by their ids, for display."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables.plant import PlantAsset, PlantEntity, PlantPoint


async def load_names(
    session: AsyncSession, account_id: UUID, node_ids: Iterable[UUID | None]
) -> dict[UUID, str]:
    """Return codes of assets and entities, and tags of points, by their ids."""
    wanted = {one for one in node_ids if one is not None}
    names: dict[UUID, str] = {}
    for table, key in ((PlantAsset, "code"), (PlantPoint, "tag"), (PlantEntity, "code")):
        if not wanted - names.keys():
            break
        query = select(table.id, getattr(table, key)).where(
            col(table.account_id) == account_id, col(table.id).in_(wanted)
        )
        names.update({identity: name for identity, name in (await session.execute(query)).all()})
    return names
