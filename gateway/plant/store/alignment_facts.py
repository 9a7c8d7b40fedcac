"""What proposals are made from beside the model: the account's assets and confirmed mappings."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.alignment.assets import NamedAsset
from gateway.plant.alignment.concepts import canonical_concept
from gateway.plant.assets.values import Concept, MappingStatus
from gateway.tables.plant import PlantAsset, PlantPoint, PlantPointMapping

_MAX_OUTCOMES = 2_000
# Of more confirmed points, the newest are trained on.
_MAX_CONFIRMED = 20_000
# A confirmation ends the entry of the proposal in the mapping history, and begins at that time.
_OUTCOMES = text(
    """
    select (m.proposal->>'score')::float, c.concept_id = m.concept_id
    from plant_point_mapping c
    join plant_point_mapping m on m.point_id = c.point_id and m.valid_to = c.valid_from
    where c.account_id = :account_id and c.mapping_status = 'confirmed'
      and m.account_id = :account_id and m.mapping_status = 'proposed'
      and m.proposal ? 'score'
    order by c.valid_from desc
    limit :most
    """
)


async def list_outcomes(session: AsyncSession, account_id: UUID) -> Sequence[tuple[float, bool]]:
    """Return the scores of the newest confirmed proposals, and whether they were right."""
    found = await session.execute(_OUTCOMES, {"account_id": account_id, "most": _MAX_OUTCOMES})
    return [(score, is_right) for score, is_right in found.all()]


async def count_units(session: AsyncSession, account_id: UUID) -> Mapping[str, Counter[str]]:
    """Return the units of confirmed points by concept id."""
    query = (
        select(PlantPoint.concept_id, PlantPoint.unit, func.count())
        .where(
            col(PlantPoint.account_id) == account_id,
            col(PlantPoint.mapping_status) == MappingStatus.CONFIRMED.value,
            col(PlantPoint.retired_at).is_(None),
            col(PlantPoint.unit) != "",
        )
        .group_by(col(PlantPoint.concept_id), col(PlantPoint.unit))
    )
    units: dict[str, Counter[str]] = defaultdict(Counter)
    for concept, unit, count in (await session.execute(query)).all():
        units[concept][unit] = count
    return units


async def list_named_assets(session: AsyncSession, account_id: UUID) -> Sequence[NamedAsset]:
    """Return the names of an account's active assets."""
    query = select(PlantAsset.id, PlantAsset.code, PlantAsset.name, PlantAsset.parent_id).where(
        col(PlantAsset.account_id) == account_id, col(PlantAsset.retired_at).is_(None)
    )
    return [NamedAsset(*row) for row in (await session.execute(query)).all()]


async def list_assigned_tags(session: AsyncSession, account_id: UUID) -> Sequence[tuple[str, UUID]]:
    """Return the tags of active points that have an asset, with its id."""
    query = select(PlantPoint.tag, PlantPoint.asset_id).where(
        col(PlantPoint.account_id) == account_id,
        col(PlantPoint.retired_at).is_(None),
        col(PlantPoint.asset_id).is_not(None),
    )
    return [(tag, asset) for tag, asset in (await session.execute(query)).all() if asset]


async def count_confirmed_since(
    session: AsyncSession, account_id: UUID, since: datetime | None, most: int
) -> int:
    """Return how many confirmations the mapping history has since a time, at most `most`."""
    query = select(PlantPointMapping.id).where(
        col(PlantPointMapping.account_id) == account_id,
        col(PlantPointMapping.mapping_status) == MappingStatus.CONFIRMED.value,
    )
    if since is not None:
        query = query.where(col(PlantPointMapping.valid_from) > since)
    limited = query.limit(most).subquery()
    return (await session.scalars(select(func.count()).select_from(limited))).one()


async def list_confirmed(session: AsyncSession, account_id: UUID) -> Sequence[tuple[str, str]]:
    """Return tag and concept id of confirmed points, the newest change first."""
    query = (
        select(PlantPoint.tag, PlantPoint.concept_scheme, PlantPoint.concept_id)
        .where(
            col(PlantPoint.account_id) == account_id,
            col(PlantPoint.mapping_status) == MappingStatus.CONFIRMED.value,
            col(PlantPoint.retired_at).is_(None),
        )
        .order_by(col(PlantPoint.updated_at).desc(), col(PlantPoint.id).desc())
        .limit(_MAX_CONFIRMED)
    )
    return [
        (tag, canonical_concept(Concept(scheme, concept_id)).id)
        for tag, scheme, concept_id in (await session.execute(query)).all()
    ]


async def find_active_tags(
    session: AsyncSession, account_id: UUID, tags: Collection[str]
) -> frozenset[str]:
    """Return which tags are those of active points."""
    query = select(PlantPoint.tag).where(
        col(PlantPoint.account_id) == account_id,
        col(PlantPoint.retired_at).is_(None),
        col(PlantPoint.tag).in_(tags),
    )
    return frozenset((await session.scalars(query)).all())
