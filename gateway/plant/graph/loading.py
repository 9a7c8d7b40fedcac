"""Read an account's plant model from the database as N-Triples."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.values import Node, PlantModel
from gateway.plant.graph.activity import Activity, read_activity, read_documents
from gateway.plant.graph.errors import GraphTooLarge
from gateway.plant.graph.records import LinkedDocument, document_triples
from gateway.plant.graph.triples import Statement, model_triples, statement_triples
from gateway.plant.store.loading import load_index
from gateway.tables import PlantAsset, PlantEntity, PlantPoint, PlantRelation

# Triples of an asset, point, entity or relation, at most about this many (measured: 8 to 12).
_TRIPLES_PER_ROW = 10


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a graph has beside the plant model."""

    activity: Activity
    documents: list[LinkedDocument]


async def read_triples(session: AsyncSession, account_id: UUID, max_triples: int) -> bytes:
    """Return the account's graph as N-Triples. Raises GraphTooLarge."""
    await _require_size(session, account_id, max_triples)
    index = await load_index(session, account_id)
    statements = await _read_statements(session, account_id, _nodes_by_id(index))
    model = PlantModel(
        tuple(index.assets.values()), tuple(index.points.values()), tuple(index.entities.values())
    )
    recorded = Recorded(
        await read_activity(session, account_id), await read_documents(session, account_id, index)
    )
    return await asyncio.to_thread(_encode, model, statements, recorded)


def _encode(model: PlantModel, statements: list[Statement], recorded: Recorded) -> bytes:
    """Return nodes, relations, verdicts, decisions and documents as N-Triples."""
    documents = chain.from_iterable(document_triples(one) for one in recorded.documents)
    lines = chain(
        model_triples(model),
        statement_triples(statements),
        recorded.activity.triples(),
        documents,
    )
    return "".join(lines).encode()


def _nodes_by_id(index: PlantIndex) -> Mapping[UUID, Node]:
    """Return the nodes by the ids of their rows."""
    return {identity: node for node, identity in index.ids.items()}


async def _require_size(session: AsyncSession, account_id: UUID, max_triples: int) -> None:
    """Raise GraphTooLarge before a graph of too many rows is read."""
    rows = 0
    for table in (PlantAsset, PlantPoint, PlantEntity, PlantRelation):
        query = select(func.count()).select_from(table).where(col(table.account_id) == account_id)
        rows += await session.scalar(query) or 0
    if rows * _TRIPLES_PER_ROW > max_triples:
        maximum = max_triples // _TRIPLES_PER_ROW
        raise GraphTooLarge(f"Graph queries support plants of up to {maximum} nodes and relations.")


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
