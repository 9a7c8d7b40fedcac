"""The entities that an asset has relations with, and the changes of an asset and its points."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.audit_log import AuditLogEntry, list_subject_entries
from gateway.plant.assets.ids import ASSET, POINT
from gateway.tables.plant import PlantEntity, PlantPoint, PlantPointMapping, PlantRelation
from infra import ids

MAX_RELATED = 200
_MAX_POINTS = 2_000


@dataclass(frozen=True)
class Related:
    """An entity with its relation to an asset; `is_subject` if the statement is about the asset."""

    entity: PlantEntity
    relation: PlantRelation
    is_subject: bool


async def list_related(session: AsyncSession, account_id: UUID, asset_id: UUID) -> list[Related]:
    """Return the active entities with a valid relation to an asset, the newest first."""
    query = (
        select(PlantEntity, PlantRelation)
        .join(
            PlantRelation,
            or_(
                (col(PlantRelation.subject_id) == asset_id)
                & (col(PlantRelation.object_id) == col(PlantEntity.id)),
                (col(PlantRelation.object_id) == asset_id)
                & (col(PlantRelation.subject_id) == col(PlantEntity.id)),
            ),
        )
        .where(
            col(PlantRelation.account_id) == account_id,
            col(PlantEntity.account_id) == account_id,
            col(PlantRelation.valid_to).is_(None),
            col(PlantEntity.retired_at).is_(None),
        )
        .order_by(col(PlantRelation.id).desc())
        .limit(MAX_RELATED)
    )
    found = (await session.execute(query)).all()
    return [Related(entity, one, one.subject_id == asset_id) for entity, one in found]


async def list_changes(
    session: AsyncSession, account_id: UUID, asset_id: UUID, limit: int, before: UUID | None
) -> list[AuditLogEntry]:
    """Return the newest audit log entries of an asset and of its points, also of retired ones."""
    of_asset = select(PlantPoint.id).where(
        col(PlantPoint.account_id) == account_id, col(PlantPoint.asset_id) == asset_id
    )
    points = (await session.scalars(of_asset.limit(_MAX_POINTS))).all()
    subjects = [ids.format_id(ASSET, asset_id), *(ids.format_id(POINT, one) for one in points)]
    return await list_subject_entries(session, account_id, subjects, before, limit)


async def list_asset_mappings(
    session: AsyncSession, account_id: UUID, asset_id: UUID, limit: int
) -> list[tuple[PlantPointMapping, PlantPoint]]:
    """Return the newest mappings of points of an asset, also of replaced sensors."""
    query = (
        select(PlantPointMapping, PlantPoint)
        .join(PlantPoint, col(PlantPoint.id) == col(PlantPointMapping.point_id))
        .where(
            col(PlantPointMapping.account_id) == account_id,
            col(PlantPointMapping.asset_id) == asset_id,
        )
        .order_by(col(PlantPointMapping.valid_from).desc(), col(PlantPointMapping.id).desc())
        .limit(limit)
    )
    return [(mapping, point) for mapping, point in (await session.execute(query)).all()]
