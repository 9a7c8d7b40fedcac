"""Submodels of a plant that belong to no asset: entities, relations, and points without an asset.

The IDTA has no submodels for them. Entities are elements of that name, relations relationship
elements between shells, entities and points; what the metamodel has no place for is in extensions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import aas_core3.types as aas

from gateway.plant.assets.values import (
    Entity,
    EntityKind,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Property,
    Relation,
)
from gateway.plant.formats.aas.elements import (
    collection,
    extension,
    extensions,
    external_reference,
    semantic_id,
    semantics,
    submodel,
    submodel_reference,
)
from gateway.plant.formats.aas.identifiers import Namespace
from gateway.plant.formats.aas.properties import read_properties
from gateway.plant.formats.aas.semantics import SERIES_RECORD
from gateway.plant.formats.aas.series import read_record
from gateway.plant.formats.aas.technical_data import build_property
from gateway.plant.formats.aas.texts import IdShorts, display_name, preferred_text
from gateway.plant.formats.aas.time_series import build_variable
from gateway.plant.formats.numbers import number_text, read_number
from gateway.plant.formats.results import NoteCode, NoteCollector

_ROOT = "urn:maas:plant"
ENTITIES, RELATIONS, POINTS = (f"{_ROOT}:{name}:1" for name in ("Entities", "Relations", "Points"))
GRAPH_PARTS = frozenset({ENTITIES, RELATIONS, POINTS})
_LONG_NAME = 128
_Key = tuple[EntityKind, str]


@dataclass(slots=True)
class GraphParts:
    """What has been read from such submodels."""

    entities: list[Entity]
    relations: list[Relation]
    points: list[Point]


def build_graph_parts(model: PlantModel, namespace: Namespace) -> Iterator[aas.Submodel]:
    """Yield the submodels of a model's entities, relations and points without an asset."""
    names = IdShorts()
    shorts = {(one.kind, one.code): names.add(f"{one.kind}_{one.code}") for one in model.entities}
    if model.entities:
        entities = [_entity(one, shorts[one.kind, one.code]) for one in model.entities]
        yield submodel(_id(namespace, "entities"), "PlantEntities", ENTITIES, [*entities])
    if model.relations:
        relations = [
            _relation(one, number, shorts, namespace)
            for number, one in enumerate(model.relations, 1)
        ]
        yield submodel(_id(namespace, "relations"), "PlantRelations", RELATIONS, [*relations])
    free = [point for point in model.points if point.asset is None]
    if free:
        tags = IdShorts()
        record = [build_variable(tags.add(one.tag), one) for one in free]
        elements: list[aas.SubmodelElement] = [collection("Record", [*record], SERIES_RECORD)]
        yield submodel(_id(namespace, "points"), "PlantPoints", POINTS, elements)


def read_graph_parts(
    submodels: list[aas.Submodel], units: Mapping[str, str], notes: NoteCollector
) -> GraphParts:
    """Return what submodels of these kinds contain; malformed elements are noted."""
    parts = GraphParts([], [], [])
    for one in submodels:
        for element in one.submodel_elements or ():
            kind = semantics(one)
            if kind == POINTS:
                parts.points += read_record(element, None, units, notes)
            elif kind == ENTITIES and (entity := _read_entity(element, units, notes)):
                parts.entities.append(entity)
            elif kind == RELATIONS and (relation := _read_relation(element)):
                parts.relations.append(relation)
            else:
                notes.add(NoteCode.ELEMENT_SKIPPED, f"{one.id_short}.{element.id_short}")
    return parts


def _id(namespace: Namespace, kind: str) -> str:
    """Return the id of a submodel of the whole plant."""
    return namespace.submodel(f"plant-{kind}", "all")


def _entity(entity: Entity, short: str) -> aas.Entity:
    """Return the element of an entity with its properties."""
    names = IdShorts()
    statements: list[aas.SubmodelElement] = [
        build_property(names.add(name), name, value) for name, value in entity.properties.items()
    ]
    return aas.Entity(
        aas.EntityType.CO_MANAGED_ENTITY,
        id_short=short,
        display_name=display_name(entity.name),
        semantic_id=semantic_id(f"{_ROOT}:{entity.kind}"),
        extensions=extensions(
            kind=entity.kind,
            code=entity.code,
            name=entity.name if len(entity.name) > _LONG_NAME else None,
        ),
        statements=statements or None,
    )


def _relation(
    relation: Relation, number: int, shorts: Mapping[_Key, str], namespace: Namespace
) -> aas.RelationshipElement:
    """Return the element of a relation."""
    return aas.RelationshipElement(
        _reference(relation.subject, shorts, namespace),
        _reference(relation.object, shorts, namespace),
        id_short=f"Relation_{number}",
        semantic_id=semantic_id(f"{_ROOT}:{quote(relation.predicate, safe='')}"),
        extensions=extensions(
            predicate=relation.predicate,
            subjectKind=relation.subject.kind,
            subject=relation.subject.code,
            targetKind=relation.object.kind,
            target=relation.object.code,
            confidence=None if relation.confidence == 1 else number_text(relation.confidence),
        ),
    )


def _reference(node: Node, shorts: Mapping[_Key, str], namespace: Namespace) -> aas.Reference:
    """Return the reference to a shell or an entity; points are named by a URN."""
    if node.kind is NodeKind.ASSET:
        key = aas.Key(aas.KeyTypes.ASSET_ADMINISTRATION_SHELL, namespace.shell(node.code))
        return aas.Reference(aas.ReferenceTypes.MODEL_REFERENCE, [key])
    if node.kind is not NodeKind.POINT:
        short = shorts.get((EntityKind(node.kind.value), node.code))
        if short is not None:
            return submodel_reference(_id(namespace, "entities"), (aas.KeyTypes.ENTITY, short))
    return external_reference(f"{_ROOT}:{node.kind}:{quote(node.code, safe='')}")


def _read_entity(
    element: aas.SubmodelElement, units: Mapping[str, str], notes: NoteCollector
) -> Entity | None:
    """Return the entity of an element, None if it is none."""
    kind, code = extension(element, "kind"), extension(element, "code")
    if not isinstance(element, aas.Entity) or kind not in set(EntityKind) or not code:
        return None
    name = extension(element, "name") or preferred_text(element.display_name)
    holder = aas.Submodel(f"{_ROOT}:holder", submodel_elements=element.statements)
    properties: dict[str, Property] = {}
    read_properties(holder, properties, units, notes)
    return Entity(EntityKind(kind), code, name, properties)


def _read_relation(element: aas.SubmodelElement) -> Relation | None:
    """Return the relation of an element, None if it is none."""
    subject = _node(extension(element, "subjectKind"), extension(element, "subject"))
    target = _node(extension(element, "targetKind"), extension(element, "target"))
    predicate = extension(element, "predicate")
    stated = extension(element, "confidence")
    confidence = read_number(stated) if stated else 1.0
    if subject is None or target is None or not predicate or confidence is None:
        return None
    return Relation(subject, predicate, target, confidence)


def _node(kind: str, code: str) -> Node | None:
    """Return the node of a kind and code, None if they are invalid."""
    return Node(NodeKind(kind), code) if kind in set(NodeKind) and code else None
