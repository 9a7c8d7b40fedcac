"""Points by tag or id, and unmapped points that are created for unknown tags."""

from collections.abc import Collection, Mapping
from uuid import UUID

import sqlalchemy
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.ids import POINT
from gateway.plant.assets.values import DataType, MappingStatus, Source
from gateway.plant.readings.acceptance import ReadingPoint
from gateway.plant.readings.formats.batch import PointKey
from gateway.plant.store.applying import Writing, renew_mappings
from gateway.plant.store.revisions import advance_revision
from gateway.tables import PlantPoint
from infra import ids
from infra.clock import Clock

MAX_TAG_LENGTH = 200
# Who makes the first entry of the mapping history of a point that a reading creates.
_ACTOR = "readings"


async def find_points(
    session: AsyncSession,
    account_id: UUID,
    keys: Collection[PointKey],
    *,
    include_retired: bool = False,
) -> dict[PointKey, ReadingPoint]:
    """Return the account's active points that requests name by tag or id.

    With `include_retired` also retired ones by id: a tag means its active point.
    """
    tags = {key.name for key in keys if not key.is_id}
    point_ids = {key.name: parse_point_id(key.name) for key in keys if key.is_id}
    known_ids = [one for one in point_ids.values() if one is not None]
    is_active = col(PlantPoint.retired_at).is_(None)
    has_name = (is_active & col(PlantPoint.tag).in_(tags)) | col(PlantPoint.id).in_(known_ids)
    query = sqlalchemy.select(
        col(PlantPoint.retired_at),
        col(PlantPoint.id),
        col(PlantPoint.tag),
        col(PlantPoint.unit),
        col(PlantPoint.data_type),
    ).where(
        col(PlantPoint.account_id) == account_id,
        has_name if include_retired else has_name & is_active,
    )
    rows = [
        (retired_at, ReadingPoint(point_id, tag, unit, DataType(data_type)))
        for retired_at, point_id, tag, unit, data_type in (await session.execute(query)).all()
    ]
    by_tag = {row.tag: row for retired_at, row in rows if retired_at is None}
    by_id = {row.id: row for _, row in rows}
    found = {
        key: by_id.get(point_ids[key.name] or UUID(int=0)) if key.is_id else by_tag.get(key.name)
        for key in keys
    }
    return {key: point for key, point in found.items() if point is not None}


def parse_point_id(text: str) -> UUID | None:
    """Return the id of a point from its text (`pt_…`), or None."""
    return ids.parse_id(POINT, text)


def is_valid_tag(tag: str) -> bool:
    """Whether a point can be created with a tag: printable and not too long."""
    return 0 < len(tag) <= MAX_TAG_LENGTH and tag.isprintable()


async def create_points(
    session: AsyncSession, clock: Clock, account_id: UUID, tags: Mapping[str, tuple[str, DataType]]
) -> None:
    """Create unmapped points by tag, with unit and type; existing tags stay as they are."""
    now = clock.now()
    rows = [
        {
            "id": ids.new_id(),
            "account_id": account_id,
            "tag": tag,
            "name": "",
            "unit": unit,
            "data_type": data_type.value,
            "concept_scheme": "",
            "concept_id": "",
            "mapping_status": MappingStatus.UNMAPPED.value,
            "source": Source.MANUAL.value,
            "created_at": now,
            "updated_at": now,
        }
        for tag, (unit, data_type) in sorted(tags.items())
    ]
    if not rows:
        return
    await advance_revision(session, account_id)
    inserted = insert(PlantPoint).values(rows).on_conflict_do_nothing()
    created = (await session.scalars(inserted.returning(col(PlantPoint.id)))).all()
    await renew_mappings(Writing(session, account_id, Source.MANUAL, _ACTOR, now, {}), created)


async def count_points(session: AsyncSession, account_id: UUID) -> int:
    """Return the number of an account's active points."""
    query = (
        select(func.count())
        .select_from(PlantPoint)
        .where(col(PlantPoint.account_id) == account_id, col(PlantPoint.retired_at).is_(None))
    )
    return (await session.execute(query)).scalar_one()
