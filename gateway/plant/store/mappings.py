"""Mappings of points to concepts, units and assets: confirmations and the history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.errors import PlantModelInvalid, invalid
from gateway.plant.assets.ids import POINT, not_found, parse_plant_id
from gateway.plant.assets.limits import MAX_CODE
from gateway.plant.assets.units import canonical_unit
from gateway.plant.assets.values import Concept, MappingStatus, Source
from gateway.plant.store.applying import renew_mappings
from gateway.plant.store.bulk import update_rows
from gateway.plant.store.editing import Editing, require_active
from gateway.plant.store.queries import find_asset, find_point
from gateway.plant.store.revisions import advance_revision
from gateway.tables.plant import PlantPoint, PlantPointMapping
from gateway.tables.plant_alignment import PlantPointProposal
from models.sentences import sentence

MAX_CONFIRMED = 1_000
_COLUMNS = (
    *("concept_scheme", "concept_id", "probability", "mapping_status", "unit", "asset_id"),
    "updated_at",
)
_Values = tuple[str, str, float | None, str, str, UUID | None]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A person's decision on a point: a concept, or None to confirm the proposed one.

    `unit` and `asset` (id or code) are set too; None leaves that of the point.
    """

    point: str
    concept: Concept | None = None
    unit: str | None = None
    asset: str | None = None


async def confirm_mappings(editing: Editing, confirmations: Sequence[Confirmation]) -> int:
    """Confirm or correct the mappings of active points and return how many changed.

    Raises PlantNodeNotFound, PlantNodeRetired for an asset, PlantModelInvalid for a point without a
    proposal, an unknown unit or too many points.
    """
    _check_count(len(confirmations))
    wanted = {parse_plant_id(POINT, one.point): one for one in confirmations}
    await advance_revision(editing.session, editing.account_id)
    assets = await _find_assets(editing, confirmations)
    points = await lock_points(editing, list(wanted))
    now, rows = editing.clock.now(), []
    for point in points:
        after = _confirmed(point, wanted[point.id], assets)
        if after != _values(point):
            rows.append((point.id, *after, now))
    await update_rows(editing.session, editing.account_id, "plant_point", _COLUMNS, rows)
    await renew(editing, [row[0] for row in rows], Source.MANUAL)
    await editing.session.execute(
        delete(PlantPointProposal).where(
            col(PlantPointProposal.account_id) == editing.account_id,
            col(PlantPointProposal.point_id).in_(wanted),
        )
    )
    if rows:
        await editing.record("plant.mappings_confirmed", "", {"points": len(rows)})
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


async def lock_points(
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


async def renew(
    editing: Editing, point_ids: list[UUID], source: Source, actor: str | None = None
) -> None:
    """Add the current mappings of points to the history, made by the actor or a model."""
    writing = editing.writing(source, actor)
    await renew_mappings(writing, point_ids)


async def _find_assets(
    editing: Editing, confirmations: Sequence[Confirmation]
) -> Mapping[str, UUID]:
    """Return the ids of the active assets that confirmations name, by id or code.

    Raises PlantNodeNotFound, PlantNodeRetired.
    """
    session, account_id = editing.session, editing.account_id
    names = {one.asset for one in confirmations if one.asset is not None}
    return {
        name: require_active(await find_asset(session, account_id, name)).id
        for name in sorted(names)
    }


def _confirmed(point: PlantPoint, wanted: Confirmation, assets: Mapping[str, UUID]) -> _Values:
    """Return the values of a point after its confirmation. Raises PlantModelInvalid."""
    concept = wanted.concept or Concept(point.concept_scheme, point.concept_id)
    if not concept.id:
        raise _without_proposal(point)
    checked = _checked(concept)
    unit = point.unit if wanted.unit is None else _checked_unit(point, wanted.unit)
    asset = point.asset_id if wanted.asset is None else assets[wanted.asset]
    return checked.scheme, checked.id, None, MappingStatus.CONFIRMED.value, unit, asset


def _values(point: PlantPoint) -> _Values:
    """Return the values of a point that a confirmation may change."""
    return (
        point.concept_scheme, point.concept_id, point.probability, point.mapping_status,
        point.unit, point.asset_id,
    )  # fmt: skip


def _checked_unit(point: PlantPoint, text: str) -> str:
    """Return the canonical spelling of a unit. Raises PlantModelInvalid for an unknown one."""
    unit = canonical_unit(text)
    if unit is None:
        message = sentence(
            "The unit {unit} of point {tag} is unknown.", unit=repr(text[:40]), tag=repr(point.tag)
        )
        raise invalid(message, "Correct the unit, or leave it out.", "unit")
    return unit


def _checked(concept: Concept) -> Concept:
    """Return a concept. Raises PlantModelInvalid for an invalid scheme or id."""
    for text in (concept.scheme, concept.id):
        if not 0 < len(text) <= MAX_CODE or not text.isprintable():
            message = sentence("The concept is empty, too long or not printable.")
            raise invalid(message, sentence("Choose a concept of the list."), "concept")
    return concept


def _check_count(count: int) -> None:
    """Raise PlantModelInvalid for no point or too many."""
    if not 0 < count <= MAX_CONFIRMED:
        message = sentence("Confirm 1 to {most} points at a time.", most=MAX_CONFIRMED)
        raise invalid(message, sentence("Confirm them in parts."), "mappings")


def _without_proposal(point: PlantPoint) -> PlantModelInvalid:
    """Return the error for a point without a concept to confirm."""
    message = sentence("Point {tag} has no proposed concept.", tag=repr(point.tag))
    return invalid(message, sentence("State a concept."), "concept")
