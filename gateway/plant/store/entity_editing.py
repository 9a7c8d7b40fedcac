"""Create, change and retire entities, and state and end relations."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import exists
from sqlmodel import col, select

from gateway.plant.assets.errors import PlantKeyTaken
from gateway.plant.assets.ids import ENTITY, RELATION
from gateway.plant.assets.index import PlantIndex
from gateway.plant.assets.plan import compare_values
from gateway.plant.assets.validation import Checks, check_model
from gateway.plant.assets.values import (
    Entity,
    EntityKind,
    Node,
    NodeKind,
    PlantModel,
    Relation,
    Source,
)
from gateway.plant.store.applying import end_relations, end_relations_of, properties_json
from gateway.plant.store.editing import Editing, raise_first, require_active, require_room
from gateway.plant.store.loading import read_properties
from gateway.plant.store.queries import find_asset, find_entity, find_point, find_relation
from gateway.plant.store.revisions import advance_revision
from gateway.tables.plant import PlantEntity, PlantRelation
from infra import ids
from models.problems import Problems


@dataclass(frozen=True, slots=True)
class NewRelation:
    """A relation to state; nodes are named by public id, or by code or tag."""

    subject: Node
    predicate: str
    object: Node
    confidence: float = 1.0


async def create_entity(editing: Editing, entity: Entity) -> PlantEntity:
    """Create an entity. Raises PlantModelInvalid, PlantKeyTaken."""
    await advance_revision(editing.session, editing.account_id)
    await require_room(editing, PlantEntity, "entities", editing.limits.assets)
    _check(editing, PlantModel(entities=(entity,)))
    await _require_free(editing, entity)
    now = editing.clock.now()
    row = PlantEntity(
        id=ids.new_id(), account_id=editing.account_id, kind=entity.kind.value, code=entity.code,
        name=entity.name, properties=properties_json(entity.properties),
        source=Source.MANUAL.value, created_at=now, updated_at=now,
    )  # fmt: skip
    editing.session.add(row)
    await editing.session.flush()
    details = {"kind": row.kind, "code": row.code}
    await editing.record("plant.entity_created", ids.format_id(ENTITY, row.id), details)
    return row


async def update_entity(editing: Editing, text_id: str, changes: Mapping[str, Any]) -> PlantEntity:
    """Change fields of an active entity.

    Raises PlantNodeNotFound, PlantNodeRetired, PlantModelInvalid, PlantKeyTaken.
    """
    await advance_revision(editing.session, editing.account_id)
    found = await find_entity(editing.session, editing.account_id, text_id)
    row = require_active(found)
    properties = read_properties(row.properties)
    before = Entity(EntityKind(row.kind), row.code, row.name, properties)
    after = replace(before, **changes)
    _check(editing, PlantModel(entities=(after,)))
    if after.code != before.code:
        await _require_free(editing, after)
    if differences := compare_values(before, after):
        row.code, row.name = after.code, after.name
        row.properties = properties_json(after.properties)
        row.updated_at = editing.clock.now()
        details = {"fields": [one.name for one in differences], "code": row.code}
        await editing.record("plant.entity_updated", ids.format_id(ENTITY, row.id), details)
    return row


async def retire_entity(editing: Editing, text_id: str) -> PlantEntity:
    """Retire an entity and end its relations. Raises PlantNodeNotFound."""
    await advance_revision(editing.session, editing.account_id)
    row = await find_entity(editing.session, editing.account_id, text_id)
    if row.retired_at is None:
        row.retired_at = row.updated_at = editing.clock.now()
        await end_relations_of(editing.writing(), row.id)
        details = {"kind": row.kind, "code": row.code}
        await editing.record("plant.entity_retired", ids.format_id(ENTITY, row.id), details)
    return row


async def state_relation(editing: Editing, new: NewRelation) -> PlantRelation:
    """State a relation; a valid one about the same nodes is ended if its confidence differs.

    Raises PlantNodeNotFound, PlantNodeRetired, PlantModelInvalid.
    """
    session, account_id = editing.session, editing.account_id
    await advance_revision(session, account_id)
    subject, target = (
        await find_node(editing, new.subject),
        await find_node(editing, new.object),
    )
    relation = Relation(new.subject, new.predicate, new.object, new.confidence)
    _check(editing, PlantModel(relations=(relation,)), {new.subject, new.object})
    query = select(PlantRelation).where(
        col(PlantRelation.account_id) == account_id,
        col(PlantRelation.subject_id) == subject,
        col(PlantRelation.predicate) == new.predicate,
        col(PlantRelation.object_id) == target,
        col(PlantRelation.valid_to).is_(None),
    )
    existing = (await session.scalars(query)).first()
    if existing is not None and existing.confidence == new.confidence:
        return existing
    now = editing.clock.now()
    if existing is not None:
        existing.valid_to = now
    row = PlantRelation(
        id=ids.new_id(), account_id=account_id, subject_kind=new.subject.kind.value,
        subject_id=subject, predicate=new.predicate, object_kind=new.object.kind.value,
        object_id=target, confidence=new.confidence, source=Source.MANUAL.value, created_at=now,
        valid_from=now,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    details = {"predicate": row.predicate}
    await editing.record("plant.relation_stated", ids.format_id(RELATION, row.id), details)
    return row


async def end_relation(editing: Editing, text_id: str) -> PlantRelation:
    """End a relation. Raises PlantNodeNotFound."""
    await advance_revision(editing.session, editing.account_id)
    row = await find_relation(editing.session, editing.account_id, text_id)
    if row.valid_to is None:
        await end_relations(editing.writing(), PlantRelation.id, [row.id])
        await editing.session.refresh(row)
        details = {"predicate": row.predicate}
        await editing.record("plant.relation_ended", ids.format_id(RELATION, row.id), details)
    return row


async def find_node(editing: Editing, node: Node) -> UUID:
    """Return the id of an active node by public id, code or tag.

    Raises PlantNodeNotFound, PlantNodeRetired.
    """
    session, account_id = editing.session, editing.account_id
    row: Any
    match node.kind:
        case NodeKind.ASSET:
            row = await find_asset(session, account_id, node.code)
        case NodeKind.POINT:
            row = await find_point(session, account_id, node.code)
        case _:
            row = await find_entity(session, account_id, node.code, EntityKind(node.kind))
    identity: UUID = require_active(row).id
    return identity


def _check(editing: Editing, model: PlantModel, nodes: set[Node] | None = None) -> None:
    """Check a model whose relations have known nodes. Raises PlantModelInvalid."""
    problems = Problems()
    known = PlantIndex(ids=dict.fromkeys(nodes or (), UUID(int=0)))
    check_model(model, Checks(known, editing.limits), problems)
    raise_first(problems)


async def _require_free(editing: Editing, entity: Entity) -> None:
    """Raise PlantKeyTaken if an active entity of the kind has the code."""
    query = select(
        exists().where(
            col(PlantEntity.account_id) == editing.account_id,
            col(PlantEntity.kind) == entity.kind.value,
            col(PlantEntity.code) == entity.code,
            col(PlantEntity.retired_at).is_(None),
        )
    )
    if (await editing.session.scalars(query)).one():
        raise PlantKeyTaken("The account has an active entity with this code.", param="code")
