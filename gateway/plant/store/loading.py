"""Read an account's whole active plant model from the database.

Rows are read through a cursor, so that the process answers other requests in between.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.index import PlantIndex, entity_key, entity_node, relation_key
from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    DataType,
    Entity,
    EntityKind,
    MappingStatus,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Property,
    Relation,
)
from gateway.plant.store.revisions import read_revision
from gateway.tables.plant import PlantAsset, PlantEntity, PlantPoint, PlantRelation

_BATCH = 1_000


async def load_index(session: AsyncSession, account_id: UUID) -> PlantIndex:
    """Return an account's active plant model with the ids of its rows."""
    ids: dict[Node, UUID] = {}
    revision = await read_revision(session, account_id)
    assets = await _load_assets(session, account_id, ids)
    codes = {ids[Node(NodeKind.ASSET, code)]: code for code in assets}
    points = await _load_points(session, account_id, ids, codes)
    entities = await _load_entities(session, account_id, ids)
    index = PlantIndex(revision, assets, points, entities, ids=ids)
    return await _with_relations(session, account_id, index)


async def load_model(session: AsyncSession, account_id: UUID) -> PlantModel:
    """Return an account's active plant model."""
    index = await load_index(session, account_id)
    return PlantModel(
        tuple(index.assets.values()),
        tuple(index.points.values()),
        tuple(index.entities.values()),
        tuple(index.relations.values()),
    )


async def _load_assets(
    session: AsyncSession, account_id: UUID, ids: dict[Node, UUID]
) -> dict[str, Asset]:
    """Return the active assets by code and add their ids."""
    query = (
        select(
            PlantAsset.id, PlantAsset.parent_id, PlantAsset.level, PlantAsset.code,
            PlantAsset.name, PlantAsset.types, PlantAsset.properties, PlantAsset.global_id,
        )  # type: ignore[call-overload]
        .where(col(PlantAsset.account_id) == account_id, col(PlantAsset.retired_at).is_(None))
        .order_by(col(PlantAsset.id))
    )  # fmt: skip
    rows = [row async for row in _stream(session, query)]
    codes = {row[0]: row[3] for row in rows}
    assets = {}
    for identity, parent, level, code, name, types, properties, global_id in rows:
        ids[Node(NodeKind.ASSET, code)] = identity
        assets[code] = Asset(
            code, name, AssetLevel(level), codes.get(parent), types,
            read_properties(properties), global_id,
        )  # fmt: skip
    return assets


async def _load_points(
    session: AsyncSession, account_id: UUID, ids: dict[Node, UUID], codes: dict[UUID, str]
) -> dict[str, Point]:
    """Return the active points by tag and add their ids; concepts are those confirmed."""
    query = (
        select(
            PlantPoint.id, PlantPoint.tag, PlantPoint.name, PlantPoint.asset_id, PlantPoint.unit,
            PlantPoint.data_type, PlantPoint.low, PlantPoint.high, PlantPoint.concept_scheme,
            PlantPoint.concept_id, PlantPoint.mapping_status,
        )  # type: ignore[call-overload]
        .where(col(PlantPoint.account_id) == account_id, col(PlantPoint.retired_at).is_(None))
        .order_by(col(PlantPoint.id))
    )  # fmt: skip
    points = {}
    async for row in _stream(session, query):
        identity, tag, name, asset, unit, data_type, low, high, scheme, concept, status = row
        ids[Node(NodeKind.POINT, tag)] = identity
        is_confirmed = status == MappingStatus.CONFIRMED
        points[tag] = Point(
            tag, name, None if asset is None else codes.get(asset), unit, DataType(data_type), low,
            high, Concept(scheme, concept) if is_confirmed else None,
        )  # fmt: skip
    return points


async def _load_entities(
    session: AsyncSession, account_id: UUID, ids: dict[Node, UUID]
) -> dict[tuple[EntityKind, str], Entity]:
    """Return the active entities by kind and code and add their ids."""
    query = (
        select(
            PlantEntity.id, PlantEntity.kind, PlantEntity.code, PlantEntity.name,
            PlantEntity.properties,
        )  # type: ignore[call-overload]
        .where(col(PlantEntity.account_id) == account_id, col(PlantEntity.retired_at).is_(None))
        .order_by(col(PlantEntity.id))
    )  # fmt: skip
    entities = {}
    async for identity, kind, code, name, properties in _stream(session, query):
        entity = Entity(EntityKind(kind), code, name, read_properties(properties))
        ids[entity_node(entity)] = identity
        entities[entity_key(entity)] = entity
    return entities


async def _with_relations(session: AsyncSession, account_id: UUID, index: PlantIndex) -> PlantIndex:
    """Return the index with the valid relations between active nodes."""
    query = (
        select(
            PlantRelation.id, PlantRelation.subject_id, PlantRelation.predicate,
            PlantRelation.object_id, PlantRelation.confidence,
        )  # type: ignore[call-overload]
        .where(col(PlantRelation.account_id) == account_id, col(PlantRelation.valid_to).is_(None))
        .order_by(col(PlantRelation.id))
    )  # fmt: skip
    nodes = {identity: node for node, identity in index.ids.items()}
    relations, relation_ids = {}, {}
    async for identity, subject, predicate, object_id, confidence in _stream(session, query):
        if subject in nodes and object_id in nodes:
            relation = Relation(nodes[subject], predicate, nodes[object_id], confidence)
            relations[relation_key(relation)] = relation
            relation_ids[relation_key(relation)] = identity
    return PlantIndex(
        index.revision, index.assets, index.points, index.entities, relations, index.ids,
        relation_ids,
    )  # fmt: skip


def read_properties(stored: dict[str, Any]) -> dict[str, Property]:
    """Return properties from their column."""
    return {
        name: Property(value["value"], value.get("unit", ""), value.get("semantic_id", ""))
        for name, value in stored.items()
    }


async def _stream(session: AsyncSession, query: Select[Any]) -> AsyncIterator[Any]:
    """Yield the rows of a query from a cursor of the server."""
    result = await session.stream(query, execution_options={"yield_per": _BATCH})
    async for batch in result.partitions(_BATCH):
        for row in batch:
            yield row
