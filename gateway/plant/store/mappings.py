"""Mappings of points to concepts: the queue of proposals, confirmations, and the history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.errors import PlantModelInvalid, invalid
from gateway.plant.assets.ids import POINT, not_found, parse_plant_id
from gateway.plant.assets.limits import MAX_CODE
from gateway.plant.assets.values import Concept, MappingStatus, Source
from gateway.plant.store.applying import renew_mappings
from gateway.plant.store.bulk import update_rows
from gateway.plant.store.editing import Editing
from gateway.plant.store.queries import find_point
from gateway.plant.store.revisions import advance_revision
from gateway.tables.plant import PlantPoint, PlantPointMapping
from models.sentences import sentence

MAX_CONFIRMED = 1_000
_COLUMNS = ("concept_scheme", "concept_id", "probability", "mapping_status", "updated_at")


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A person's decision on a point: a concept, or None to confirm the proposed one."""

    point: str
    concept: Concept | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a model proposes for a point. `probability` is from 0 to 1."""

    point_id: UUID
    concept: Concept
    probability: float


async def confirm_mappings(editing: Editing, confirmations: Sequence[Confirmation]) -> int:
    """Confirm or correct concepts of active points and return how many changed.

    Raises PlantNodeNotFound, PlantModelInvalid for a point without a proposal or too many points.
    """
    _check_count(len(confirmations))
    wanted = {parse_plant_id(POINT, one.point): one.concept for one in confirmations}
    await advance_revision(editing.session, editing.account_id)
    points = await _lock_points(editing, list(wanted))
    changed: dict[UUID, Concept] = {}
    for point in points:
        current = Concept(point.concept_scheme, point.concept_id)
        concept = wanted[point.id] or current
        if not concept.id:
            raise _without_proposal(point)
        if point.mapping_status != MappingStatus.CONFIRMED or concept != current:
            changed[point.id] = _checked(concept)
    now, confirmed = editing.clock.now(), MappingStatus.CONFIRMED.value
    rows = [(key, one.scheme, one.id, None, confirmed, now) for key, one in changed.items()]
    await update_rows(editing.session, editing.account_id, "plant_point", _COLUMNS, rows)
    await _renew(editing, list(changed), Source.MANUAL)
    if changed:
        await editing.record("plant.mappings_confirmed", "", {"points": len(changed)})
    return len(changed)


async def propose_mappings(editing: Editing, proposals: Sequence[Proposal], model: str) -> int:
    """Store the proposals of a model for points that are not confirmed; return how many."""
    await advance_revision(editing.session, editing.account_id)
    by_id = {one.point_id: one for one in proposals}
    points = await _lock_points(editing, list(by_id), must_exist=False)
    now, proposed = editing.clock.now(), MappingStatus.PROPOSED.value
    open_points = (one for one in points if one.mapping_status != MappingStatus.CONFIRMED)
    rows = [
        (key, one.concept.scheme, one.concept.id, one.probability, proposed, now)
        for key, one in ((point.id, by_id[point.id]) for point in open_points)
    ]
    await update_rows(editing.session, editing.account_id, "plant_point", _COLUMNS, rows)
    await _renew(editing, [row[0] for row in rows], Source.MODEL, model)
    return len(rows)


async def count_mappings(session: AsyncSession, account_id: UUID) -> Mapping[str, int]:
    """Return the number of active points by mapping status."""
    query = (
        select(PlantPoint.mapping_status, func.count())
        .where(col(PlantPoint.account_id) == account_id, col(PlantPoint.retired_at).is_(None))
        .group_by(col(PlantPoint.mapping_status))
    )
    found = {status: count for status, count in (await session.execute(query)).all()}
    return {status.value: found.get(status.value, 0) for status in MappingStatus}


async def list_queue(
    session: AsyncSession, account_id: UUID, limit: int, *, certain_first: bool = False
) -> list[PlantPoint]:
    """Return points with a proposal, by default those first of which the model is least sure."""
    order = col(PlantPoint.probability)
    query = (
        select(PlantPoint)
        .where(
            col(PlantPoint.account_id) == account_id,
            col(PlantPoint.mapping_status) == MappingStatus.PROPOSED.value,
            col(PlantPoint.retired_at).is_(None),
        )
        .order_by(order.desc() if certain_first else order, col(PlantPoint.id))
        .limit(limit)
    )
    return list((await session.scalars(query)).all())


async def list_unmapped(session: AsyncSession, account_id: UUID, limit: int) -> list[PlantPoint]:
    """Return the oldest active points without a concept."""
    query = (
        select(PlantPoint)
        .where(
            col(PlantPoint.account_id) == account_id,
            col(PlantPoint.mapping_status) == MappingStatus.UNMAPPED.value,
            col(PlantPoint.retired_at).is_(None),
        )
        .order_by(col(PlantPoint.id))
        .limit(limit)
    )
    return list((await session.scalars(query)).all())


async def list_history(
    session: AsyncSession, account_id: UUID, point: str, limit: int = 100
) -> list[PlantPointMapping]:
    """Return the newest mappings of a point, and of earlier points under its tag.

    Raises PlantNodeNotFound.
    """
    row = await find_point(session, account_id, point)
    of_tag = select(PlantPoint.id).where(
        col(PlantPoint.account_id) == account_id, col(PlantPoint.tag) == row.tag
    )
    query = (
        select(PlantPointMapping)
        .where(
            col(PlantPointMapping.account_id) == account_id,
            col(PlantPointMapping.point_id).in_(of_tag),
        )
        .order_by(col(PlantPointMapping.valid_from).desc(), col(PlantPointMapping.id).desc())
        .limit(limit)
    )
    return list((await session.scalars(query)).all())


async def _lock_points(
    editing: Editing, point_ids: list[UUID], *, must_exist: bool = True
) -> list[PlantPoint]:
    """Return active points, locked in the order of their ids. Raises PlantNodeNotFound."""
    query = (
        select(PlantPoint)
        .where(
            col(PlantPoint.account_id) == editing.account_id,
            col(PlantPoint.id).in_(point_ids),
            col(PlantPoint.retired_at).is_(None),
        )
        .order_by(col(PlantPoint.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    rows = list((await editing.session.scalars(query)).all())
    if must_exist and len(rows) != len(point_ids):
        raise not_found(POINT)
    return rows


async def _renew(
    editing: Editing, point_ids: list[UUID], source: Source, actor: str | None = None
) -> None:
    """Add the current mappings of points to the history, made by the actor or a model."""
    writing = editing.writing(source, actor)
    await renew_mappings(writing, point_ids)


def _checked(concept: Concept) -> Concept:
    """Return a concept. Raises PlantModelInvalid for an invalid scheme or id."""
    for text in (concept.scheme, concept.id):
        if not 0 < len(text) <= MAX_CODE or not text.isprintable():
            message = sentence("The concept is empty, too long or not printable.")
            raise invalid(message, "Choose a concept of the list.", "concept")
    return concept


def _check_count(count: int) -> None:
    """Raise PlantModelInvalid for no point or too many."""
    if not 0 < count <= MAX_CONFIRMED:
        message = sentence("Confirm 1 to {most} points at a time.", most=MAX_CONFIRMED)
        raise invalid(message, "Confirm them in parts.", "mappings")


def _without_proposal(point: PlantPoint) -> PlantModelInvalid:
    """Return the error for a point without a concept to confirm."""
    message = sentence("Point {tag} has no proposed concept.", tag=repr(point.tag))
    return invalid(message, "State a concept.", "concept")
