"""Export as a Brick model in Turtle."""

from collections.abc import Iterator
from urllib.parse import quote

import pyoxigraph
from pyoxigraph import BlankNode, Literal, NamedNode, Triple

from gateway.plant.assets.values import (
    Asset,
    DataType,
    Entity,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Property,
    Relation,
)
from gateway.plant.formats.brick.graph_parts import (
    entity_iri,
    entity_triples,
    relation_triples,
)
from gateway.plant.formats.brick.terms import (
    ASSET_PREFIX,
    BRICK,
    OWL,
    PLANT,
    POINT_PREFIX,
    QUDT,
    RDF,
    RDFS,
    REF,
    RELATIONS,
    UNIT,
    XSD,
    brick_name,
    usual_level,
)
from gateway.plant.formats.numbers import number_text, read_number
from gateway.plant.formats.results import ExportedFile
from gateway.plant.formats.units import to_qudt

MEDIA_TYPE = "text/turtle"
_PREFIXES = {
    "brick": BRICK,
    "owl": OWL,
    "plant": PLANT,
    "qudt": QUDT,
    "rdfs": RDFS,
    "ref": REF,
    "unit": UNIT,
    "xsd": XSD,
}
_TYPE = NamedNode(f"{RDF}type")
_QUDT_UNIT = NamedNode(f"{QUDT}Unit")
_NAMES = {predicate: name for name, predicate in RELATIONS.items()}


def write_brick(model: PlantModel) -> ExportedFile:
    """Return the model as Turtle.

    Brick has terms for the hierarchy, points, classes, units, the identifiers of time series and
    some relations. The rest has terms of our own, which other tools ignore.
    """
    triples = [triple for asset in model.assets for triple in _asset(asset)]
    triples += [triple for point in model.points for triple in _point(point)]
    triples += [triple for relation in model.relations for triple in _relation(relation)]
    triples += [triple for entity in model.entities for triple in _entity(entity)]
    content = pyoxigraph.serialize(triples, format=pyoxigraph.RdfFormat.TURTLE, prefixes=_PREFIXES)
    return ExportedFile(content or b"", MEDIA_TYPE, ())


def _iri(prefix: str, key: str) -> NamedNode:
    """Return the IRI of an asset or point."""
    return NamedNode(prefix + quote(key, safe=""))


def _brick(name: str) -> NamedNode:
    """Return a term of Brick."""
    return NamedNode(f"{BRICK}{name}")


def _own(subject: NamedNode | BlankNode, name: str, text: str | None) -> Iterator[Triple]:
    """Return the statement of a text with a term of our own, if there is a text."""
    if text:
        yield Triple(subject, NamedNode(f"{PLANT}{name}"), Literal(text))


def _asset(asset: Asset) -> Iterator[Triple]:
    """Return the statements about an asset."""
    subject = _iri(ASSET_PREFIX, asset.code)
    name = brick_name(asset.types.get("brick", ""))
    yield Triple(subject, _TYPE, _brick(name or "Equipment"))
    yield Triple(subject, NamedNode(f"{RDFS}label"), Literal(asset.name))
    if asset.parent is not None:
        yield Triple(subject, _brick("isPartOf"), _iri(ASSET_PREFIX, asset.parent))
    if asset.level is not usual_level(name or "Equipment"):
        yield from _own(subject, "level", asset.level)
    for scheme in ("iso14224", "eclass"):
        yield from _own(subject, scheme, asset.types.get(scheme))
    yield from _own(subject, "globalId", asset.global_id)
    for key, value in asset.properties.items():
        yield from _property(subject, key, value)


def _property(subject: NamedNode, name: str, value: Property) -> Iterator[Triple]:
    """Return the statements of a property, with Brick's own term if it has one."""
    if not value.semantic_id.startswith(BRICK):
        yield from _own_property(subject, name, value)
        return
    node = BlankNode()
    yield Triple(subject, NamedNode(value.semantic_id), node)
    yield Triple(node, _brick("value"), _literal(value.value))
    yield from _unit(node, value.unit)


def _own_property(subject: NamedNode, name: str, value: Property) -> Iterator[Triple]:
    """Return the statements of a property with a term of our own."""
    node = BlankNode()
    yield Triple(subject, NamedNode(f"{PLANT}property"), node)
    yield from _own(node, "name", name)
    yield from _own(node, "semanticId", value.semantic_id)
    yield Triple(node, _brick("value"), _literal(value.value))
    yield from _unit(node, value.unit)


def _literal(text: str) -> Literal:
    """Return a number as such if its text stays the same, or a text."""
    number = read_number(text)
    if number is not None and number_text(number) == text:
        kind = "integer" if number.is_integer() else "decimal"
        return (
            Literal(text, datatype=NamedNode(f"{XSD}{kind}")) if "e" not in text else Literal(text)
        )
    return Literal(text)


def _unit(subject: NamedNode | BlankNode, unit: str) -> Iterator[Triple]:
    """Return the statement of a unit; one without a QUDT name, or spelled otherwise, as text."""
    if unit and (name := to_qudt(unit)):
        yield Triple(subject, _brick("hasUnit"), NamedNode(f"{UNIT}{name}"))
        yield Triple(NamedNode(f"{UNIT}{name}"), _TYPE, _QUDT_UNIT)
    else:
        yield from _own(subject, "unit", unit)


def _point(point: Point) -> Iterator[Triple]:
    """Return the statements about a point."""
    subject = _iri(POINT_PREFIX, point.tag)
    concept = point.concept
    name = brick_name(concept.id) if concept and concept.scheme == "brick" else ""
    # Of a class that is not in the reader's version of Brick, it must know that much.
    yield Triple(subject, _TYPE, _brick("Point"))
    if name:
        yield Triple(subject, _TYPE, _brick(name))
    if point.name:
        yield Triple(subject, NamedNode(f"{RDFS}label"), Literal(point.name))
    if point.asset is not None:
        yield Triple(subject, _brick("isPointOf"), _iri(ASSET_PREFIX, point.asset))
    yield from _unit(subject, point.unit)
    yield from _reference(subject, point.tag)
    if point.data_type is not DataType.NUMBER:
        yield from _own(subject, "dataType", point.data_type)
    for key, bound in (("low", point.low), ("high", point.high)):
        yield from _own(subject, key, None if bound is None else number_text(bound))
    if concept is not None and not name:
        yield from _own(subject, "conceptScheme", concept.scheme)
        yield from _own(subject, "conceptId", concept.id)


def _reference(subject: NamedNode, tag: str) -> Iterator[Triple]:
    """Return the statements of the id of a point's time series, which is its tag."""
    node = BlankNode()
    yield Triple(subject, NamedNode(f"{REF}hasExternalReference"), node)
    yield Triple(node, _TYPE, NamedNode(f"{REF}TimeseriesReference"))
    yield Triple(node, NamedNode(f"{REF}hasTimeseriesId"), Literal(tag))


def _relation(relation: Relation) -> Iterator[Triple]:
    """Return the statements of a relation, with Brick's own property if it has one."""
    name = _NAMES.get(relation.predicate)
    subject, value = _node(relation.subject), _node(relation.object)
    if name and subject and value and _is_allowed(relation):
        yield Triple(subject, _brick(name), value)
    else:
        yield from relation_triples(relation)


def _entity(entity: Entity) -> Iterator[Triple]:
    """Return the statements about an entity."""
    yield from entity_triples(entity)
    for name, value in entity.properties.items():
        yield from _own_property(entity_iri(entity), name, value)


def _is_allowed(relation: Relation) -> bool:
    """Return whether Brick's property may connect these kinds of nodes, and the fact is certain."""
    value = NodeKind.POINT if relation.predicate == "has_point" else NodeKind.ASSET
    kinds = (relation.subject.kind, relation.object.kind)
    return relation.confidence == 1.0 and kinds == (NodeKind.ASSET, value)


def _node(node: Node) -> NamedNode | None:
    """Return the IRI of an asset or point, None for other kinds of nodes."""
    prefixes = {NodeKind.ASSET: ASSET_PREFIX, NodeKind.POINT: POINT_PREFIX}
    return _iri(prefixes[node.kind], node.code) if node.kind in prefixes else None
