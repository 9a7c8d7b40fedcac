"""IRIs of the knowledge graph: the vocabulary's terms and the nodes of an account.

A node's IRI is its kind and its code or tag, percent-encoded: `urn:maas:asset:P-101`. It contains
no account id: each account has a graph of its own.
"""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote, unquote

from gateway.plant.assets.values import Node, NodeKind

PLANT = "urn:maas:vocabulary:"
NODE = "urn:maas:"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
XSD = "http://www.w3.org/2001/XMLSchema#"
BRICK = "https://brickschema.org/schema/Brick#"

# Prefixes that a query may use without declaring them.
PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "plant": PLANT,
        "rdf": RDF,
        "rdfs": RDFS,
        "xsd": XSD,
        "brick": BRICK,
        **{kind.value: f"{NODE}{kind.value}:" for kind in NodeKind},
    }
)
_KINDS = frozenset(kind.value for kind in NodeKind)
_CLASSES = MappingProxyType(
    {kind: PLANT + "".join(word.title() for word in kind.value.split("_")) for kind in NodeKind}
)


def node_iri(node: Node) -> str:
    """Return the IRI of a node."""
    return f"{NODE}{node.kind.value}:{quote(node.code, safe='')}"


def parse_node_iri(iri: str) -> Node | None:
    """Return the node of an IRI. Returns None if the IRI is of no node."""
    kind, separator, code = iri.removeprefix(NODE).partition(":")
    if not iri.startswith(NODE) or not separator or kind not in _KINDS:
        return None
    return Node(NodeKind(kind), unquote(code))


def class_iri(kind: NodeKind) -> str:
    """Return the IRI of the class of a kind of nodes, such as `plant:FailureMode`."""
    return _CLASSES[kind]


def predicate_iri(predicate: str) -> str:
    """Return the IRI of a relation's predicate: `caused_by` gives `plant:causedBy`."""
    first, *rest = predicate.split("_")
    return PLANT + quote(first + "".join(word[:1].upper() + word[1:] for word in rest), safe="")
