"""Proposed mappings of points: what to propose next, stored proposals, and the queue.

A point has at most one proposal, of the newest model version that was asked. A confirmation deletes
it; the history of the point's mapping keeps all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, or_, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.alignment.assets import AssetProposal
from gateway.plant.alignment.units import UnitProposal
from gateway.plant.assets.values import Concept, MappingStatus, Source
from gateway.plant.store.bulk import update_rows
from gateway.plant.store.editing import Editing
from gateway.plant.store.mappings import lock_points, renew
from gateway.plant.store.revisions import advance_revision
from gateway.tables.plant import PlantPoint
from gateway.tables.plant_alignment import UNRANKED, PlantPointProposal

_COLUMNS = ("concept_scheme", "concept_id", "probability", "mapping_status", "updated_at")
_OPEN = (MappingStatus.UNMAPPED.value, MappingStatus.PROPOSED.value)
_IS_OPEN = (col(PlantPoint.mapping_status).in_(_OPEN), col(PlantPoint.retired_at).is_(None))
_CHUNK = 1_000
# What the history keeps of a proposal, beside the concept, its probability and the model version.
_KEEP = text(
    """
    update plant_point_mapping m
    set proposal = jsonb_strip_nulls(jsonb_build_object(
        'score', q.score, 'unit', nullif(q.unit, ''), 'unit_probability', q.unit_probability,
        'asset', q.asset_id, 'asset_probability', q.asset_probability))
    from plant_point_proposal q
    where q.point_id = m.point_id and q.account_id = :account_id
      and m.account_id = :account_id and m.valid_to is null and m.point_id in :points
    """
).bindparams(bindparam("points", expanding=True))


class QueueOrder(StrEnum):
    """How the mapping queue is ordered: by the model's ranks, or by probability."""

    INFORMATIVE = "informative"
    UNCERTAIN = "uncertain"
    CERTAIN = "certain"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a model proposes for a point; `concept` None if no concept is likely.

    `score` is the model's measure, `probability` that of the concept, from 0 to 1. `rank` 1 is to
    be confirmed first, None if another point stands for this one. `pattern` is a hash of the tag's
    pattern, of 64 bits with a sign.
    """

    point_id: UUID
    concept: Concept | None
    score: float
    probability: float
    pattern: int
    rank: int | None = None
    unit: UnitProposal | None = None
    asset: AssetProposal | None = None


@dataclass(frozen=True, slots=True)
class QueuedPoint:
    """A point to confirm with its proposal; None for a proposal without details."""

    point: PlantPoint
    proposal: PlantPointProposal | None


async def list_to_propose(
    session: AsyncSession, account_id: UUID, model: str, limit: int, after: UUID | None = None
) -> list[PlantPoint]:
    """Return points without confirmed concept that a model version was not asked about yet."""
    query = (
        select(PlantPoint)
        .outerjoin(
            PlantPointProposal,
            (col(PlantPointProposal.point_id) == col(PlantPoint.id))
            & (col(PlantPointProposal.model) == model),
        )
        .where(
            col(PlantPoint.account_id) == account_id,
            *_IS_OPEN,
            col(PlantPointProposal.point_id).is_(None),
        )
        .order_by(col(PlantPoint.id))
        .limit(limit)
    )
    if after is not None:
        query = query.where(col(PlantPoint.id) > after)
    return list((await session.scalars(query)).all())


async def store_proposals(editing: Editing, proposals: Sequence[Proposal], model: str) -> int:
    """Store what a model version proposes for points that are not confirmed; return how many.

    Of several points with one pattern, also of earlier calls to the version, one keeps its rank.
    """
    session, account_id = editing.session, editing.account_id
    await advance_revision(session, account_id)
    by_id = {one.point_id: one for one in proposals}
    points = await lock_points(editing, list(by_id), must_exist=False)
    open_points = [one for one in points if one.mapping_status in _OPEN]
    ranked = await _ranked_patterns(session, account_id, model, [one.pattern for one in proposals])
    now = editing.clock.now()
    rows = [(point.id, *_concept_columns(by_id[point.id]), now) for point in open_points]
    await update_rows(session, account_id, "plant_point", _COLUMNS, rows)
    values = []
    for one in sorted((by_id[point.id] for point in open_points), key=_rank_of):
        is_first = one.rank is not None and one.pattern not in ranked
        ranked.add(one.pattern)
        rank = one.rank if is_first else None
        values.append(_proposal_columns(one, rank, account_id, model) | {"proposed_at": now})
    await _upsert(session, values)
    changed = [
        point.id
        for point in open_points
        if by_id[point.id].concept is not None or point.mapping_status == _OPEN[1]
    ]
    await renew(editing, changed, Source.MODEL, model)
    for start in range(0, len(changed), _CHUNK):
        part = changed[start : start + _CHUNK]
        await session.execute(_KEEP, {"account_id": account_id, "points": part})
    return sum(by_id[point.id].concept is not None for point in open_points)


async def list_queue(
    session: AsyncSession, account_id: UUID, limit: int, order: QueueOrder = QueueOrder.INFORMATIVE
) -> list[QueuedPoint]:
    """Return the points to confirm next.

    By default the model's most informative ones come first: each stands for the most points like
    it. Those that others stand for follow, the least certain first.
    """
    if order is not QueueOrder.INFORMATIVE:
        return await _list_by_probability(session, account_id, limit, order)
    query = (
        select(PlantPoint, PlantPointProposal)
        .join(PlantPointProposal, col(PlantPointProposal.point_id) == col(PlantPoint.id))
        .where(col(PlantPointProposal.account_id) == account_id, *_IS_OPEN)
        .where(col(PlantPoint.account_id) == account_id)
        .order_by(
            col(PlantPointProposal.rank),
            col(PlantPointProposal.probability),
            col(PlantPointProposal.point_id),
        )
        .limit(limit)
    )
    found = [QueuedPoint(*row) for row in (await session.execute(query)).all()]
    if len(found) < limit:
        others = await _list_by_probability(session, account_id, limit, QueueOrder.UNCERTAIN)
        known = {one.point.id for one in found}
        found += [one for one in others if one.point.id not in known][: limit - len(found)]
    return found


async def delete_settled_proposals(session: AsyncSession, account_id: UUID) -> None:
    """Delete the proposals of points that were confirmed or retired otherwise than in the queue."""
    settled = select(PlantPoint.id).where(
        col(PlantPoint.account_id) == account_id,
        or_(
            col(PlantPoint.retired_at).is_not(None),
            col(PlantPoint.mapping_status) == MappingStatus.CONFIRMED.value,
        ),
    )
    await session.execute(
        delete(PlantPointProposal).where(
            col(PlantPointProposal.account_id) == account_id,
            col(PlantPointProposal.point_id).in_(settled),
        )
    )


async def count_by_model(session: AsyncSession, account_id: UUID) -> list[tuple[str, int]]:
    """Return how many open proposals each model version has made, the most first."""
    query = (
        select(PlantPointProposal.model, func.count())
        .where(col(PlantPointProposal.account_id) == account_id)
        .group_by(col(PlantPointProposal.model))
        .order_by(func.count().desc(), col(PlantPointProposal.model))
    )
    return [(model, count) for model, count in (await session.execute(query)).all()]


async def _list_by_probability(
    session: AsyncSession, account_id: UUID, limit: int, order: QueueOrder
) -> list[QueuedPoint]:
    """Return points with a proposed concept by its probability."""
    probability = col(PlantPoint.probability)
    query = (
        select(PlantPoint, PlantPointProposal)
        .outerjoin(PlantPointProposal, col(PlantPointProposal.point_id) == col(PlantPoint.id))
        .where(
            col(PlantPoint.account_id) == account_id,
            col(PlantPoint.mapping_status) == MappingStatus.PROPOSED.value,
            col(PlantPoint.retired_at).is_(None),
        )
        .order_by(
            probability.desc() if order is QueueOrder.CERTAIN else probability, col(PlantPoint.id)
        )
        .limit(limit)
    )
    return [QueuedPoint(*row) for row in (await session.execute(query)).all()]


async def _ranked_patterns(
    session: AsyncSession, account_id: UUID, model: str, patterns: Sequence[int]
) -> set[int]:
    """Return which patterns a model version has ranked before."""
    query = select(col(PlantPointProposal.pattern)).where(
        col(PlantPointProposal.account_id) == account_id,
        col(PlantPointProposal.rank) < UNRANKED,
        col(PlantPointProposal.model) == model,
        col(PlantPointProposal.pattern).in_(set(patterns)),
    )
    return set((await session.scalars(query)).all())


async def _upsert(session: AsyncSession, values: Sequence[dict[str, Any]]) -> None:
    """Insert proposals, or replace those that points have."""
    for start in range(0, len(values), _CHUNK):
        statement = insert(PlantPointProposal).values(values[start : start + _CHUNK])
        replaced = {name: statement.excluded[name] for name in values[0] if name != "point_id"}
        await session.execute(
            statement.on_conflict_do_update(index_elements=["point_id"], set_=replaced)
        )


def _rank_of(proposal: Proposal) -> int:
    """Return the rank by which proposals are compared."""
    return UNRANKED if proposal.rank is None else proposal.rank


def _concept_columns(proposal: Proposal) -> tuple[str, str, float | None, str]:
    """Return a proposal's values of the columns of a point."""
    if proposal.concept is None:
        return "", "", None, MappingStatus.UNMAPPED.value
    scheme, concept_id = proposal.concept.scheme, proposal.concept.id
    return scheme, concept_id, proposal.probability, MappingStatus.PROPOSED.value


def _proposal_columns(
    proposal: Proposal, rank: int | None, account_id: UUID, model: str
) -> dict[str, Any]:
    """Return a proposal as the values of its row."""
    unit, asset = proposal.unit, proposal.asset
    return {
        "point_id": proposal.point_id,
        "account_id": account_id,
        "model": model,
        "rank": UNRANKED if rank is None else rank,
        "pattern": proposal.pattern,
        "score": proposal.score,
        "probability": proposal.probability,
        "unit": "" if unit is None else unit.unit,
        "unit_probability": None if unit is None else unit.probability,
        "asset_id": None if asset is None else asset.asset_id,
        "asset_probability": None if asset is None else asset.probability,
    }
