"""Read an account's plant model from the database as N-Triples."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    DataType,
    Entity,
    EntityKind,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Property,
)
from gateway.plant.graph.errors import GraphTooLarge
from gateway.plant.graph.triples import Statement, model_triples, statement_triples
from gateway.tables import PlantAsset, PlantEntity, PlantPoint, PlantRelation, PlantRevision

# Triples of an asset, point, entity or relation, at most about this many (measured: 8 to 12).
_TRIPLES_PER_ROW = 10


async def read_revision(session: AsyncSession, account_id: UUID) -> int:
    """Return the number of changes of the account's plant model."""
    query = select(PlantRevision.revision).where(col(PlantRevision.account_id) == account_id)
    return await session.scalar(query) or 0


async def read_triples(session: AsyncSession, account_id: UUID, max_triples: int) -> bytes:
    """Return the account's graph as N-Triples. Raises GraphTooLarge."""
    await _require_size(session, account_id, max_triples)
    assets = (await session.scalars(_active(PlantAsset, account_id))).all()
    points = (await session.scalars(_active(PlantPoint, account_id))).all()
    entities = (await session.scalars(_active(PlantEntity, account_id))).all()
    nodes = {row.id: Node(NodeKind.ASSET, row.code) for row in assets}
    nodes |= {row.id: Node(NodeKind.POINT, row.tag) for row in points}
    nodes |= {row.id: Node(NodeKind(row.kind), row.code) for row in entities}
    model = PlantModel(
        assets=tuple(_asset(row, nodes) for row in assets),
        points=tuple(_point(row, nodes) for row in points),
        entities=tuple(_entity(row) for row in entities),
    )
    lines = [*model_triples(model)]
    lines += statement_triples(await _read_statements(session, account_id, nodes))
    return "".join(lines).encode()


async def _require_size(session: AsyncSession, account_id: UUID, max_triples: int) -> None:
    """Raise GraphTooLarge before a graph of too many rows is read."""
    rows = 0
    for table in (PlantAsset, PlantPoint, PlantEntity, PlantRelation):
        query = select(func.count()).select_from(table).where(col(table.account_id) == account_id)
        rows += await session.scalar(query) or 0
    if rows * _TRIPLES_PER_ROW > max_triples:
        maximum = max_triples // _TRIPLES_PER_ROW
        raise GraphTooLarge(f"Graph queries support plants of up to {maximum} nodes and relations.")


def _active(table: Any, account_id: UUID) -> Any:
    """Return the query of an account's active rows of a table."""
    return select(table).where(table.account_id == account_id, table.retired_at.is_(None))


def _asset(row: PlantAsset, nodes: Mapping[UUID, Node]) -> Asset:
    return Asset(
        code=row.code,
        name=row.name,
        level=AssetLevel(row.level),
        parent=_code(nodes, row.parent_id),
        types=row.types,
        properties=_properties(row.properties),
        global_id=row.global_id,
    )


def _point(row: PlantPoint, nodes: Mapping[UUID, Node]) -> Point:
    return Point(
        tag=row.tag,
        name=row.name,
        asset=_code(nodes, row.asset_id),
        unit=row.unit,
        data_type=DataType(row.data_type),
        concept=Concept(row.concept_scheme, row.concept_id) if row.concept_id else None,
    )


def _entity(row: PlantEntity) -> Entity:
    return Entity(EntityKind(row.kind), row.code, row.name, _properties(row.properties))


def _properties(values: Mapping[str, Any]) -> dict[str, Property]:
    return {name: Property(**value) for name, value in values.items()}


def _code(nodes: Mapping[UUID, Node], identity: UUID | None) -> str | None:
    node = None if identity is None else nodes.get(identity)
    return None if node is None else node.code


async def _read_statements(
    session: AsyncSession, account_id: UUID, nodes: Mapping[UUID, Node]
) -> list[Statement]:
    """Return the account's relations between nodes that are active."""
    query = select(PlantRelation).where(col(PlantRelation.account_id) == account_id)
    return [
        Statement(
            id=row.id,
            subject=nodes[row.subject_id],
            predicate=row.predicate,
            object=nodes[row.object_id],
            confidence=row.confidence,
            source=row.source,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
        )
        for row in (await session.scalars(query)).all()
        if row.subject_id in nodes and row.object_id in nodes
    ]
