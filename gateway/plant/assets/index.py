"""An account's active plant model by code and tag, with the ids of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from gateway.plant.assets.values import (
    Asset,
    Entity,
    EntityKind,
    Node,
    NodeKind,
    Point,
    Relation,
)

EntityKey = tuple[EntityKind, str]


@dataclass(frozen=True, slots=True)
class PlantIndex:
    """What an account has: values by code, tag or statement, and the id of each.

    `revision` counts the changes of the account's model.
    """

    revision: int = 0
    assets: Mapping[str, Asset] = field(default_factory=dict)
    points: Mapping[str, Point] = field(default_factory=dict)
    entities: Mapping[EntityKey, Entity] = field(default_factory=dict)
    relations: Mapping[tuple[Node, str, Node], Relation] = field(default_factory=dict)
    ids: Mapping[Node, UUID] = field(default_factory=dict)
    relation_ids: Mapping[tuple[Node, str, Node], UUID] = field(default_factory=dict)

    def has(self, node: Node) -> bool:
        """Return whether the account has a node."""
        return node in self.ids


EMPTY_INDEX = PlantIndex()


def relation_key(relation: Relation) -> tuple[Node, str, Node]:
    """Return what identifies a relation: subject, predicate, object."""
    return relation.subject, relation.predicate, relation.object


def entity_key(entity: Entity) -> EntityKey:
    """Return what identifies an entity: kind and code."""
    return entity.kind, entity.code


def entity_node(entity: Entity) -> Node:
    """Return the node of an entity."""
    return Node(NodeKind(entity.kind), entity.code)
