"""Write an import plan to the database in one transaction.

    ImportPlan -> assets -> points with mapping history -> entities -> relations

A change of unit, asset or concept of a point ends its entry in the mapping history and adds one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from gateway.plant.assets.index import PlantIndex, entity_node, relation_key
from gateway.plant.assets.plan import Action, Change, ImportPlan
from gateway.plant.assets.values import (
    Asset,
    Entity,
    MappingStatus,
    Node,
    NodeKind,
    Point,
    Property,
    Source,
)
from gateway.plant.store.bulk import copy_rows, update_rows
from gateway.tables.plant import (
    PlantAsset,
    PlantEntity,
    PlantPoint,
    PlantPointMapping,
    PlantRelation,
)
from infra import ids

_ASSET = ("parent_id", "level", "code", "name", "types", "properties", "global_id", "source")
_POINT = (
    *("asset_id", "tag", "name", "unit", "data_type", "low", "high", "concept_scheme"),
    *("concept_id", "probability", "mapping_status", "source"),
)
_POINT_VALUES = ("asset_id", "name", "unit", "data_type", "low", "high", "source")
_CONCEPT = ("concept_scheme", "concept_id", "probability", "mapping_status")
_ENTITY = ("kind", "code", "name", "properties", "source")
_RELATION = (
    *("id", "account_id", "subject_kind", "subject_id", "predicate", "object_kind", "object_id"),
    *("confidence", "source", "created_at", "valid_from"),
)
_MAPPING = (
    *("id", "account_id", "point_id", "asset_id", "unit", "concept_scheme", "concept_id"),
    *("probability", "mapping_status", "actor", "valid_from"),
)
_CREATED = ("id", "account_id", "created_at", "updated_at")
_MAPPED_FIELDS = {"unit", "asset", "concept"}
# Ids of a statement with a list of them.
_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Writing:
    """Who writes a plan, for which account, from which source, and when.

    `ids` has the id of each node that exists or is created.
    """

    session: AsyncSession
    account_id: UUID
    source: Source
    actor: str
    at: datetime
    ids: dict[Node, UUID]

    def created(self, identity: UUID) -> tuple[Any, ...]:
        """Return the values of the columns _CREATED."""
        return identity, self.account_id, self.at, self.at

    def asset_id(self, code: str | None) -> UUID | None:
        """Return the id of an asset by its code."""
        return None if code is None else self.ids[Node(NodeKind.ASSET, code)]


async def apply_plan(writing: Writing, plan: ImportPlan, current: PlantIndex) -> None:
    """Write a plan that was made from the current model."""
    await _apply_assets(writing, plan.assets)
    await _apply_points(writing, plan.points)
    await _apply_entities(writing, plan.entities)
    await _apply_relations(writing, plan, current)


async def _apply_assets(writing: Writing, changes: Sequence[Change[Asset]]) -> None:
    """Write the changes of assets."""
    made = _only(changes, Action.CREATE)
    for asset in made:
        writing.ids[Node(NodeKind.ASSET, asset.code)] = ids.new_id()
    rows = (
        (*writing.created(writing.ids[Node(NodeKind.ASSET, one.code)]), *_asset_row(writing, one))
        for one in made
    )
    await copy_rows(writing.session, "plant_asset", (*_CREATED, *_ASSET), rows)
    changed = [
        (writing.ids[Node(NodeKind.ASSET, one.code)], *_asset_row(writing, one), writing.at)
        for one in _only(changes, Action.UPDATE)
    ]
    columns = (*_ASSET, "updated_at")
    await update_rows(writing.session, writing.account_id, "plant_asset", columns, changed)
    gone = (Node(NodeKind.ASSET, one.code) for one in _only(changes, Action.RETIRE))
    await _retire(writing, PlantAsset, gone)


def _asset_row(writing: Writing, asset: Asset) -> tuple[Any, ...]:
    """Return the values of the columns _ASSET."""
    return (
        writing.asset_id(asset.parent), asset.level.value, asset.code, asset.name,
        Jsonb(dict(asset.types)), Jsonb(properties_json(asset.properties)), asset.global_id,
        writing.source.value,
    )  # fmt: skip


async def _apply_points(writing: Writing, changes: Sequence[Change[Point]]) -> None:
    """Write the changes of points, with their mapping history."""
    made = _only(changes, Action.CREATE)
    for point in made:
        writing.ids[Node(NodeKind.POINT, point.tag)] = ids.new_id()
    rows = (
        (*writing.created(writing.ids[Node(NodeKind.POINT, one.tag)]), *_point_row(writing, one))
        for one in made
    )
    await copy_rows(writing.session, "plant_point", (*_CREATED, *_POINT), rows)
    await _write_mappings(writing, made)
    await _update_points(writing, [one for one in changes if one.action is Action.UPDATE])
    gone = [Node(NodeKind.POINT, one.tag) for one in _only(changes, Action.RETIRE)]
    await _retire(writing, PlantPoint, gone)
    await end_mappings(writing, [writing.ids[node] for node in gone])


async def _update_points(writing: Writing, changes: Sequence[Change[Point]]) -> None:
    """Write new values of points; a stated concept counts as confirmed."""
    rows = [
        (writing.ids[Node(NodeKind.POINT, one.value.tag)], *_point_values(writing, one.value),
         writing.at)
        for one in changes
    ]  # fmt: skip
    columns = (*_POINT_VALUES, "updated_at")
    await update_rows(writing.session, writing.account_id, "plant_point", columns, rows)
    named = [one for one in changes if any(each.name == "concept" for each in one.fields)]
    concepts = [
        (writing.ids[Node(NodeKind.POINT, one.value.tag)], *_concept_values(one.value))
        for one in named
    ]
    await update_rows(writing.session, writing.account_id, "plant_point", _CONCEPT, concepts)
    mapped = [
        writing.ids[Node(NodeKind.POINT, one.value.tag)]
        for one in changes
        if _MAPPED_FIELDS & {each.name for each in one.fields}
    ]
    await renew_mappings(writing, mapped)


def _point_row(writing: Writing, point: Point) -> tuple[Any, ...]:
    """Return the values of the columns _POINT."""
    asset_id, name, *values, source = _point_values(writing, point)
    return asset_id, point.tag, name, *values, *_concept_values(point), source


def _point_values(writing: Writing, point: Point) -> tuple[Any, ...]:
    """Return the values of the columns _POINT_VALUES."""
    return (
        writing.asset_id(point.asset), point.name, point.unit, point.data_type.value, point.low,
        point.high, writing.source.value,
    )  # fmt: skip


def _concept_values(point: Point) -> tuple[Any, ...]:
    """Return the values of the columns _CONCEPT."""
    if point.concept is None:
        return "", "", None, MappingStatus.UNMAPPED.value
    return point.concept.scheme, point.concept.id, None, MappingStatus.CONFIRMED.value


async def _write_mappings(writing: Writing, points: Iterable[Point]) -> None:
    """Add the first entry of the mapping history of new points."""
    rows = (
        (
            ids.new_id(), writing.account_id, writing.ids[Node(NodeKind.POINT, point.tag)],
            writing.asset_id(point.asset), point.unit, *_concept_values(point), writing.actor,
            writing.at,
        )
        for point in points
    )  # fmt: skip
    await copy_rows(writing.session, "plant_point_mapping", _MAPPING, rows)


async def renew_mappings(writing: Writing, point_ids: Sequence[UUID]) -> None:
    """End the entries of points in the mapping history and add one with their current values."""
    await end_mappings(writing, point_ids)
    for chunk in _chunks(point_ids):
        query = PlantPoint.__table__.select().where(  # type: ignore[attr-defined]
            col(PlantPoint.account_id) == writing.account_id, col(PlantPoint.id).in_(chunk)
        )
        rows = [
            (
                ids.new_id(), writing.account_id, row.id, row.asset_id, row.unit,
                row.concept_scheme, row.concept_id, row.probability, row.mapping_status,
                writing.actor, writing.at,
            )
            for row in await writing.session.execute(query)
        ]  # fmt: skip
        await copy_rows(writing.session, "plant_point_mapping", _MAPPING, rows)


async def end_mappings(writing: Writing, point_ids: Sequence[UUID]) -> None:
    """End the current entries of points in the mapping history."""
    for chunk in _chunks(point_ids):
        await writing.session.execute(
            update(PlantPointMapping)
            .where(
                col(PlantPointMapping.account_id) == writing.account_id,
                col(PlantPointMapping.point_id).in_(chunk),
                col(PlantPointMapping.valid_to).is_(None),
            )
            .values(valid_to=writing.at)
        )


async def _apply_entities(writing: Writing, changes: Sequence[Change[Entity]]) -> None:
    """Write the changes of entities."""
    made = _only(changes, Action.CREATE)
    for entity in made:
        writing.ids[entity_node(entity)] = ids.new_id()
    rows = (
        (*writing.created(writing.ids[entity_node(one)]), *_entity_row(writing, one))
        for one in made
    )
    await copy_rows(writing.session, "plant_entity", (*_CREATED, *_ENTITY), rows)
    changed = [
        (writing.ids[entity_node(one)], *_entity_row(writing, one), writing.at)
        for one in _only(changes, Action.UPDATE)
    ]
    columns = (*_ENTITY, "updated_at")
    await update_rows(writing.session, writing.account_id, "plant_entity", columns, changed)
    gone = (entity_node(one) for one in _only(changes, Action.RETIRE))
    await _retire(writing, PlantEntity, gone)


def _entity_row(writing: Writing, entity: Entity) -> tuple[Any, ...]:
    """Return the values of the columns _ENTITY."""
    properties = Jsonb(properties_json(entity.properties))
    return entity.kind.value, entity.code, entity.name, properties, writing.source.value


async def _apply_relations(writing: Writing, plan: ImportPlan, current: PlantIndex) -> None:
    """End the relations that change or are retired, and add new ones."""
    ended = [
        current.relation_ids[relation_key(one.value)]
        for one in plan.relations
        if one.action is not Action.CREATE
    ]
    await end_relations(writing, PlantRelation.id, ended)
    rows = (
        (
            ids.new_id(), writing.account_id, one.subject.kind.value, writing.ids[one.subject],
            one.predicate, one.object.kind.value, writing.ids[one.object], one.confidence,
            writing.source.value, writing.at, writing.at,
        )
        for action in (Action.CREATE, Action.UPDATE)
        for one in _only(plan.relations, action)
    )  # fmt: skip
    await copy_rows(writing.session, "plant_relation", _RELATION, rows)


async def end_relations(writing: Writing, column: Any, keys: Sequence[UUID]) -> None:
    """End the valid relations whose column has one of the ids."""
    for chunk in _chunks(keys):
        await writing.session.execute(
            update(PlantRelation)
            .where(
                col(PlantRelation.account_id) == writing.account_id,
                col(column).in_(chunk),
                col(PlantRelation.valid_to).is_(None),
            )
            .values(valid_to=writing.at)
        )


async def end_relations_of(writing: Writing, node_id: UUID) -> None:
    """End all valid relations of a node."""
    await writing.session.execute(
        update(PlantRelation)
        .where(
            col(PlantRelation.account_id) == writing.account_id,
            or_(col(PlantRelation.subject_id) == node_id, col(PlantRelation.object_id) == node_id),
            col(PlantRelation.valid_to).is_(None),
        )
        .values(valid_to=writing.at)
    )


async def _retire(writing: Writing, table: Any, nodes: Iterable[Node]) -> None:
    """Retire rows of a table."""
    for chunk in _chunks([writing.ids[node] for node in nodes]):
        await writing.session.execute(
            update(table)
            .where(col(table.account_id) == writing.account_id, col(table.id).in_(chunk))
            .values(retired_at=writing.at, updated_at=writing.at)
        )


def properties_json(properties: Mapping[str, Property]) -> dict[str, Any]:
    """Return properties as their column stores them."""
    return {
        name: {"value": one.value, "unit": one.unit, "semantic_id": one.semantic_id}
        for name, one in properties.items()
    }


def _only(changes: Iterable[Change[Any]], action: Action) -> list[Any]:
    """Return the values of changes of one action."""
    return [change.value for change in changes if change.action is action]


def _chunks(keys: Sequence[UUID]) -> Iterable[Sequence[UUID]]:
    """Yield keys in parts of a statement."""
    return (keys[at : at + _CHUNK] for at in range(0, len(keys), _CHUNK))
