"""Entities and relations in a NodeSet2 file.

An entity is an object with a kind in its extension. A predicate is a type of reference below
NonHierarchicalReferences, and a relation a reference of that type; its exact values, such as the
confidence, are in an extension of the subject.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement

from gateway.plant.assets.values import (
    Entity,
    EntityKind,
    Node,
    NodeKind,
    Property,
    Relation,
)
from gateway.plant.formats.nodeset.terms import NODESET, PLANT
from gateway.plant.formats.numbers import number_text, read_number

_NON_HIERARCHICAL = "i=32"
_HAS_SUBTYPE = "i=45"


@dataclass(frozen=True, slots=True)
class Relations:
    """Relations by their subject, and the predicates that have a type of reference."""

    by_subject: Mapping[Node, Sequence[Relation]]
    predicates: Sequence[str]

    @classmethod
    def of(cls, relations: Sequence[Relation], known: Callable[[Node], bool]) -> "Relations":
        """Return the relations whose subject is in the file."""
        found: dict[Node, list[Relation]] = {}
        for one in relations:
            if known(one.subject):
                found.setdefault(one.subject, []).append(one)
        return cls(found, sorted({one.predicate for one in relations if known(one.subject)}))


def node_id(node: Node) -> str:
    """Return the node id of an asset, point or entity."""
    return f"ns=1;s={node.kind}:{quote(node.code, safe='')}"


def reference_type(predicate: str) -> Element:
    """Return the type of the references of a predicate."""
    name = f"1:{predicate}"
    attributes = {"NodeId": _type_id(predicate), "BrowseName": name}
    element = Element(f"{{{NODESET}}}UAReferenceType", attributes)
    SubElement(element, f"{{{NODESET}}}DisplayName").text = predicate
    references = SubElement(element, f"{{{NODESET}}}References")
    link = {"ReferenceType": _HAS_SUBTYPE, "IsForward": "false"}
    SubElement(references, f"{{{NODESET}}}Reference", link).text = _NON_HIERARCHICAL
    return element


def is_predicate(identifier: str) -> bool:
    """Return whether a node id, with the URI of its namespace, is that of a predicate's type."""
    return identifier.startswith(f"{PLANT}|s=predicate:")


def add_relations(element: Element, relations: Sequence[Relation]) -> None:
    """Add references and extensions of relations to the element of their subject."""
    references = element.find(f"{{{NODESET}}}References")
    extensions = element.find(f"{{{NODESET}}}Extensions")
    if references is None or extensions is None:
        raise ValueError("the node has no references or extensions")
    for relation in relations:
        kind = {"ReferenceType": _type_id(relation.predicate)}
        target = SubElement(references, f"{{{NODESET}}}Reference", kind)
        target.text = node_id(relation.object)
        stated = {
            "subjectKind": relation.subject.kind.value,
            "subject": relation.subject.code,
            "predicate": relation.predicate,
            "targetKind": relation.object.kind.value,
            "target": relation.object.code,
        }
        if relation.confidence != 1:
            stated["confidence"] = number_text(relation.confidence)
        extension = SubElement(extensions, f"{{{NODESET}}}Extension")
        SubElement(extension, f"{{{PLANT}}}Relation", stated)


def read_relation(stated: Mapping[str, str]) -> Relation | None:
    """Return the relation of an extension, None if it is malformed."""
    subject = _node(stated, "subject")
    target = _node(stated, "target")
    predicate = stated.get("predicate", "")
    confidence = read_number(stated.get("confidence", "1"))
    if subject is None or target is None or not predicate or confidence is None:
        return None
    return Relation(subject, predicate, target, confidence)


@dataclass(slots=True)
class FoundEntity:
    """An entity of a file while its properties are read."""

    kind: EntityKind
    code: str
    name: str
    properties: dict[str, Property] = field(default_factory=dict)

    def entity(self) -> Entity:
        """Return the entity."""
        return Entity(self.kind, self.code, self.name, self.properties)


def find_entity(stated: Mapping[str, str]) -> FoundEntity | None:
    """Return the entity that a node's extension states, None if it is none."""
    kind, code = stated.get("kind", ""), stated.get("code", "")
    if kind not in set(EntityKind) or not code:
        return None
    return FoundEntity(EntityKind(kind), code, stated.get("name", ""))


def _node(stated: Mapping[str, str], name: str) -> Node | None:
    """Return a node that an extension names."""
    kind, code = stated.get(f"{name}Kind", ""), stated.get(name, "")
    return Node(NodeKind(kind), code) if kind in set(NodeKind) and code else None


def _type_id(predicate: str) -> str:
    """Return the node id of a predicate's type of reference."""
    return f"ns=1;s=predicate:{quote(predicate, safe='')}"
