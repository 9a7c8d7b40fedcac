"""Entities and relations for which Brick has no terms, in terms of our own.

An entity is a `plant:Entity`, a relation a `plant:Relation` with its two nodes as `plant:subject`
and `plant:object`. Other tools ignore both.
"""

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from pyoxigraph import BlankNode, Literal, NamedNode, Triple

from gateway.plant.assets.values import (
    Entity,
    EntityKind,
    Node,
    NodeKind,
    Property,
    Relation,
)
from gateway.plant.formats.brick.entities import read_own_properties
from gateway.plant.formats.brick.graph import LABEL, Resource, Triples
from gateway.plant.formats.brick.terms import ASSET_PREFIX, PLANT, POINT_PREFIX, RDF
from gateway.plant.formats.numbers import number_text, read_number
from gateway.plant.formats.results import NoteCode, NoteCollector

_TYPE = NamedNode(f"{RDF}type")
_ENTITY_PREFIX = "urn:maas:plant:"


def entity_triples(entity: Entity) -> Iterator[Triple]:
    """Yield the statements about an entity, without its properties."""
    subject = entity_iri(entity)
    yield Triple(subject, _TYPE, NamedNode(f"{PLANT}Entity"))
    yield _text(subject, "kind", entity.kind.value)
    yield _text(subject, "code", entity.code)
    if entity.name:
        yield Triple(subject, NamedNode(LABEL), Literal(entity.name))


def relation_triples(relation: Relation) -> Iterator[Triple]:
    """Yield the statements about a relation."""
    node = BlankNode()
    yield Triple(node, _TYPE, NamedNode(f"{PLANT}Relation"))
    yield _text(node, "predicate", relation.predicate)
    for name, end in (("subject", relation.subject), ("object", relation.object)):
        yield Triple(node, NamedNode(f"{PLANT}{name}"), _iri(end))
        yield _text(node, f"{name}Kind", end.kind.value)
        yield _text(node, f"{name}Code", end.code)
    if relation.confidence != 1:
        yield _text(node, "confidence", number_text(relation.confidence))


def entity_iri(entity: Entity) -> NamedNode:
    """Return the IRI of an entity."""
    return _iri(Node(NodeKind(entity.kind.value), entity.code))


def read_entities(triples: Triples, notes: NoteCollector) -> Iterable[Entity]:
    """Yield the entities of a file; malformed ones are noted."""
    for subject in _of_type(triples, "Entity"):
        kind, code = triples.text(subject, f"{PLANT}kind"), triples.text(subject, f"{PLANT}code")
        if kind not in set(EntityKind) or not code:
            notes.add(NoteCode.ENTITY_SKIPPED, str(subject.value))
            continue
        properties: dict[str, Property] = dict(read_own_properties(triples, subject, notes))
        yield Entity(EntityKind(kind), code, triples.text(subject, LABEL), properties)


def read_relations(triples: Triples, notes: NoteCollector) -> Iterable[Relation]:
    """Yield the relations of a file that are in terms of our own; malformed ones are noted."""
    for node in _of_type(triples, "Relation"):
        subject, target = _node(triples, node, "subject"), _node(triples, node, "object")
        predicate = triples.text(node, f"{PLANT}predicate")
        confidence = read_number(triples.text(node, f"{PLANT}confidence") or "1")
        if subject is None or target is None or not predicate or confidence is None:
            notes.add(NoteCode.RELATION_SKIPPED, predicate or str(node.value))
            continue
        yield Relation(subject, predicate, target, confidence)


def _of_type(triples: Triples, name: str) -> list[Resource]:
    """Return the resources of one of our own types, in the order of the file."""
    wanted = f"{PLANT}{name}"
    return [
        subject
        for subject, kind in triples.pairs(f"{RDF}type")
        if isinstance(kind, NamedNode) and kind.value == wanted
    ]


def _node(triples: Triples, relation: Resource, name: str) -> Node | None:
    """Return an end of a relation, None if it is malformed."""
    kind = triples.text(relation, f"{PLANT}{name}Kind")
    code = triples.text(relation, f"{PLANT}{name}Code")
    return Node(NodeKind(kind), code) if kind in set(NodeKind) and code else None


def _iri(node: Node) -> NamedNode:
    """Return the IRI of a node."""
    prefixes = {NodeKind.ASSET: ASSET_PREFIX, NodeKind.POINT: POINT_PREFIX}
    prefix = prefixes.get(node.kind, f"{_ENTITY_PREFIX}{node.kind}:")
    return NamedNode(prefix + quote(node.code, safe=""))


def _text(subject: NamedNode | BlankNode, name: str, text: str) -> Triple:
    """Return the statement of a text with a term of our own."""
    return Triple(subject, NamedNode(f"{PLANT}{name}"), Literal(text))
