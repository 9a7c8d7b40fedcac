"""Write a plant model as RDF triples in N-Triples.

Each relation is written twice: as the triple itself, so that queries are short, and as a node of
the class `plant:Relation` with its provenance, confidence and validity. The triple itself is left
out when the relation is no longer valid.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from gateway.plant.assets.values import (
    Asset,
    Entity,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Property,
)
from gateway.plant.graph.vocabulary import (
    BRICK,
    NODE,
    PLANT,
    RDF,
    RDFS,
    XSD,
    class_iri,
    node_iri,
    predicate_iri,
)

_ESCAPES = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\u0000"}
)
_NUMBER = r"[+-]?(0|[1-9][0-9]{0,17})"
_DAY = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?"
_DATATYPES = tuple(
    (re.compile(pattern), datatype)
    for pattern, datatype in (
        (_NUMBER, "integer"),
        (rf"{_NUMBER}[.][0-9]{{1,17}}", "decimal"),
        (rf"{_NUMBER}([.][0-9]{{1,17}})?[eE][+-]?[0-9]{{1,3}}", "double"),
        (_DAY, "date"),
        (rf"{_DAY}T{_CLOCK}(Z|[+-][0-9]{{2}}:[0-9]{{2}})", "dateTime"),
    )
)


@dataclass(frozen=True)
class Statement:
    """A stored relation with provenance and validity; `valid_to` None is still valid."""

    id: UUID
    subject: Node
    predicate: str
    object: Node
    confidence: float
    source: str
    valid_from: datetime
    valid_to: datetime | None = None


def model_triples(model: PlantModel) -> Iterator[str]:
    """Yield the N-Triples lines of a model's assets, points and entities, without relations."""
    for asset in model.assets:
        yield from _asset_triples(asset)
    for point in model.points:
        yield from _point_triples(point)
    for entity in model.entities:
        yield from _entity_triples(entity)


def statement_triples(statements: Iterable[Statement]) -> Iterator[str]:
    """Yield the N-Triples lines of relations."""
    for statement in statements:
        subject, predicate, target = (
            f"<{node_iri(statement.subject)}>",
            f"<{predicate_iri(statement.predicate)}>",
            f"<{node_iri(statement.object)}>",
        )
        if statement.valid_to is None:
            yield f"{subject} {predicate} {target} .\n"
        node = f"<{NODE}relation:{statement.id.hex}>"
        yield triple(node, f"{RDF}type", f"<{PLANT}Relation>")
        yield triple(node, f"{PLANT}subject", subject)
        yield triple(node, f"{PLANT}predicate", predicate)
        yield triple(node, f"{PLANT}object", target)
        yield triple(node, f"{PLANT}confidence", _typed(repr(statement.confidence), "double"))
        yield triple(node, f"{PLANT}source", text_literal(statement.source))
        yield triple(node, f"{PLANT}validFrom", moment_literal(statement.valid_from))
        if statement.valid_to is not None:
            yield triple(node, f"{PLANT}validTo", moment_literal(statement.valid_to))


def _asset_triples(asset: Asset) -> Iterator[str]:
    node = _node(NodeKind.ASSET, asset.code)
    yield from _node_triples(node, NodeKind.ASSET, asset.code, asset.name)
    yield triple(node, f"{PLANT}level", text_literal(asset.level.value))
    if asset.parent is not None:
        parent = _node(NodeKind.ASSET, asset.parent)
        yield triple(node, f"{PLANT}partOf", parent)
        yield triple(parent, f"{PLANT}hasPart", node)
    if asset.global_id is not None:
        yield triple(node, f"{PLANT}globalId", text_literal(asset.global_id))
    for scheme, identifier in asset.types.items():
        yield triple(node, f"{PLANT}assetType", _class_term(scheme, identifier))
    yield from _property_triples(node, asset.properties)


def _point_triples(point: Point) -> Iterator[str]:
    node = _node(NodeKind.POINT, point.tag)
    yield from _node_triples(node, NodeKind.POINT, point.tag, point.name)
    yield triple(node, f"{PLANT}dataType", text_literal(point.data_type.value))
    if point.asset is not None:
        asset = _node(NodeKind.ASSET, point.asset)
        yield triple(node, f"{PLANT}pointOf", asset)
        yield triple(asset, f"{PLANT}hasPoint", node)
    if point.unit:
        yield triple(node, f"{PLANT}unit", text_literal(point.unit))
    if point.concept is not None:
        yield triple(node, f"{PLANT}concept", _class_term(point.concept.scheme, point.concept.id))


def _entity_triples(entity: Entity) -> Iterator[str]:
    kind = NodeKind(entity.kind.value)
    node = _node(kind, entity.code)
    yield from _node_triples(node, kind, entity.code, entity.name)
    yield from _property_triples(node, entity.properties)


def _node_triples(node: str, kind: NodeKind, code: str, name: str) -> Iterator[str]:
    yield triple(node, f"{RDF}type", f"<{class_iri(kind)}>")
    yield triple(node, f"{PLANT}code", text_literal(code))
    yield triple(node, f"{RDFS}label", text_literal(name or code))


def _property_triples(node: str, properties: Mapping[str, Property]) -> Iterator[str]:
    """Yield a property as `plant:<name>` with a typed value, so that queries can compare it."""
    for name, value in properties.items():
        yield triple(node, predicate_iri(name), literal(value.value))
        if value.unit:
            yield triple(node, predicate_iri(f"{name}_unit"), text_literal(value.unit))


def literal(text: str) -> str:
    """Return a value as a literal: integer, decimal, double, date, instant, else a string.

    Numbers keep their digits as written; texts with leading zeros, such as serial numbers, are
    strings.
    """
    for pattern, datatype in _DATATYPES:
        if pattern.fullmatch(text):
            return _typed(text, datatype)
    return text_literal(text)


def _class_term(scheme: str, identifier: str) -> str:
    """Return a class id as an IRI: Brick's own, else `urn:maas:vocabulary:<scheme>:<id>`.

    Percent-encoded: IRDIs of ECLASS contain `#`, which would start a fragment.
    """
    return f"<{class_iri_of(scheme, identifier)}>"


def class_iri_of(scheme: str, identifier: str) -> str:
    """Return the IRI of a class id of a scheme."""
    if scheme == "brick":
        return f"{BRICK}{quote(identifier, safe='')}"
    return f"{PLANT}{quote(scheme, safe='')}:{quote(identifier, safe='')}"


def _node(kind: NodeKind, code: str) -> str:
    return f"<{node_iri(Node(kind, code))}>"


def triple(subject: str, predicate: str, target: str) -> str:
    """Return a line of N-Triples; subject and target are terms, the predicate is an IRI."""
    return f"{subject} <{predicate}> {target} .\n"


def text_literal(text: str) -> str:
    """Return a text as a string literal."""
    return f'"{text.translate(_ESCAPES)}"'


def _typed(text: str, datatype: str) -> str:
    return f'"{text}"^^<{XSD}{datatype}>'


def moment_literal(moment: datetime) -> str:
    """Return an instant as a literal `xsd:dateTime`."""
    return _typed(moment.isoformat(), "dateTime")
