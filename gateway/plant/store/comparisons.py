"""Stored comparisons of an account's points with those of another plant."""

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlmodel import col, select

from gateway.plant.alignment.concepts import built_in_vocabulary, canonical_concept
from gateway.plant.alignment.pairing import (
    Comparison,
    PlantPointView,
    PointPair,
    count_relations,
)
from gateway.plant.assets.ids import COMPARISON, not_found, parse_plant_id
from gateway.plant.assets.values import Concept
from gateway.tables.plant_alignment import PlantComparison
from infra import ids
from infra.database.paging import page_of

# Comparisons of an account; the oldest are deleted.
MAX_STORED = 20
MAX_CONCEPTS = 500
CSV_COLUMNS = (
    *("concept", "concept_name", "confidence", "tag", "name", "asset", "unit"),
    *("other_tag", "other_name", "other_asset", "other_unit", "units", "factor", "offset"),
)
_WITHOUT_CONTENT = defer(PlantComparison.content, raiseload=True)  # type: ignore[arg-type]
_POINTS = text(
    """
    select p.tag, p.name, coalesce(a.code, ''), p.unit, p.concept_scheme, p.concept_id,
           coalesce(p.probability, 1)
    from plant_point p
    left join plant_asset a on a.id = p.asset_id and a.account_id = :account_id
    where p.account_id = :account_id and p.retired_at is null and p.concept_id <> ''
    """
)


async def list_mapped_points(session: AsyncSession, account_id: UUID) -> list[PlantPointView]:
    """Return an account's points that have a concept; a proposed one with its probability."""
    found = await session.execute(_POINTS, {"account_id": account_id})
    return [
        PlantPointView(
            tag, name, asset, unit, canonical_concept(Concept(scheme, concept_id)), probability
        )
        for tag, name, asset, unit, scheme, concept_id, probability in found.all()
    ]


async def store_comparison(
    session: AsyncSession,
    account_id: UUID,
    file_name: str,
    summary: Mapping[str, Any],
    pairs: bytes,
    actor: str,
    at: datetime,
) -> PlantComparison:
    """Store a comparison, and delete the account's oldest ones beyond MAX_STORED."""
    row = PlantComparison(
        id=ids.new_id(),
        account_id=account_id,
        file_name=file_name,
        summary=dict(summary),
        content=pairs,
        actor=actor,
        created_at=at,
    )
    session.add(row)
    await session.flush()
    of_account = select(PlantComparison.id).where(col(PlantComparison.account_id) == account_id)
    newest = of_account.order_by(col(PlantComparison.id).desc()).limit(MAX_STORED)
    kept = (await session.scalars(newest)).all()
    await session.execute(
        delete(PlantComparison).where(
            col(PlantComparison.account_id) == account_id, col(PlantComparison.id).not_in(kept)
        )
    )
    return row


async def list_comparisons(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> list[PlantComparison]:
    """Return a page of an account's comparisons without their pairs, newest first."""
    query = select(PlantComparison).where(col(PlantComparison.account_id) == account_id)
    paged = page_of(query.options(_WITHOUT_CONTENT), col(PlantComparison.id), limit, after)
    return list((await session.scalars(paged)).all())


async def find_comparison(session: AsyncSession, account_id: UUID, text_id: str) -> PlantComparison:
    """Return a comparison by its public id. Raises PlantNodeNotFound."""
    query = select(PlantComparison).where(
        col(PlantComparison.id) == parse_plant_id(COMPARISON, text_id),
        col(PlantComparison.account_id) == account_id,
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise not_found(COMPARISON)
    return row


async def delete_comparison(session: AsyncSession, account_id: UUID, text_id: str) -> None:
    """Delete a comparison. Raises PlantNodeNotFound."""
    row = await find_comparison(session, account_id, text_id)
    await session.execute(
        delete(PlantComparison).where(
            col(PlantComparison.id) == row.id, col(PlantComparison.account_id) == account_id
        )
    )


def comparison_json(row: PlantComparison) -> dict[str, Any]:
    """Return a comparison as JSON, without its pairs."""
    return {
        "id": ids.format_id(COMPARISON, row.id),
        "object": "plant.comparison",
        "file_name": row.file_name,
        **row.summary,
        "created_by": row.actor,
        "created_at": int(row.created_at.timestamp()),
    }


def summarize(comparison: Comparison) -> dict[str, Any]:
    """Return the counts of a comparison: pairs, units, and points and concepts of one plant."""
    names = {one.id: one.name for one in built_in_vocabulary().concepts}
    return {
        "pairs": len(comparison.pairs),
        "units": count_relations(comparison.pairs),
        "unpaired": {
            "own": len(comparison.unpaired_first),
            "other": len(comparison.unpaired_second),
        },
        "concepts_of_one_plant": {
            "own": _concepts_json(comparison.only_first, names),
            "other": _concepts_json(comparison.only_second, names),
        },
    }


def pack_pairs(comparison: Comparison) -> bytes:
    """Return the pairs of a comparison as they are stored."""
    names = {one.id: one.name for one in built_in_vocabulary().concepts}
    return zlib.compress(msgspec.json.encode([_pair_json(one, names) for one in comparison.pairs]))


def unpack_pairs(content: bytes) -> list[dict[str, Any]]:
    """Return the pairs of a comparison as JSON, most confident first."""
    pairs: list[dict[str, Any]] = msgspec.json.decode(zlib.decompress(content))
    return pairs


def pair_cells(pair: Mapping[str, Any]) -> Sequence[Any]:
    """Return a pair as the cells of CSV_COLUMNS."""
    own, other, units = pair["point"], pair["other"], pair["units"]
    sides = [side[name] for side in (own, other) for name in ("tag", "name", "asset", "unit")]
    numbers = (units["relation"], units["factor"], units["offset"])
    return (pair["concept"]["id"], pair["concept_name"], pair["confidence"], *sides, *numbers)


def _pair_json(pair: PointPair, names: Mapping[str, str]) -> dict[str, Any]:
    """Return a pair as JSON."""
    concept = pair.first.concept
    return {
        "object": "plant.point_pair",
        "concept": {"scheme": concept.scheme, "id": concept.id},
        "concept_name": names.get(concept.id, concept.id),
        "confidence": pair.confidence,
        "point": _point_json(pair.first),
        "other": _point_json(pair.second),
        "units": {
            "relation": pair.units.relation.value,
            "factor": pair.units.factor,
            "offset": pair.units.offset,
        },
    }


def _point_json(point: PlantPointView) -> dict[str, Any]:
    """Return one side of a pair as JSON."""
    return {
        "tag": point.tag,
        "name": point.name,
        "asset": point.asset,
        "unit": point.unit,
        "probability": point.probability,
    }


def _concepts_json(counts: Mapping[Concept, int], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return concepts with their numbers of points, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0].id))
    return [
        {"scheme": one.scheme, "id": one.id, "name": names.get(one.id, one.id), "points": count}
        for one, count in ordered[:MAX_CONCEPTS]
    ]
