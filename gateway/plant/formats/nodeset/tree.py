"""The tree of instances of a NodeSet: which node is below which, and which are type definitions."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from gateway.plant.formats.nodeset.document import UaNode
from gateway.plant.formats.nodeset.terms import (
    DESCRIPTIVE_TYPES,
    HAS_MODELLING_RULE,
    HAS_TYPE_DEFINITION,
    HIERARCHICAL,
)

_INSTANCES = ("UAObject", "UAVariable")


class InstanceTree:
    """Objects and variables that are instances, by the node above them."""

    def __init__(self, nodes: Sequence[UaNode]) -> None:
        self._nodes = {node.node_id: node for node in nodes}
        self._children: dict[str, dict[str, str]] = defaultdict(dict)
        self._parents: dict[str, dict[str, str]] = defaultdict(dict)
        for node in nodes:
            for reference in node.references:
                if reference.kind in HIERARCHICAL:
                    ends = (node.node_id, reference.target)
                    parent, child = ends if reference.is_forward else ends[::-1]
                    self._children[parent].setdefault(child, reference.kind)
                    self._parents[child].setdefault(parent, reference.kind)
        self._declarations = set(self._find_declarations())

    def roots(self) -> list[UaNode]:
        """Return the instances without a node above them in the file, in its order."""
        return [
            node
            for node in self._nodes.values()
            if self.is_instance(node)
            and not any(parent in self._nodes for parent in self._parents[node.node_id])
        ]

    def children(self, node: UaNode) -> Iterator[tuple[str, UaNode]]:
        """Yield the kind of reference and the instance for each instance below a node."""
        for child, kind in self._children.get(node.node_id, {}).items():
            below = self._nodes.get(child)
            if below is not None and self.is_instance(below):
                yield kind, below

    def is_instance(self, node: UaNode) -> bool:
        """Return whether a node is an object or variable that is no part of a type."""
        return (
            node.kind in _INSTANCES
            and node.node_id not in self._declarations
            and type_of(node) not in DESCRIPTIVE_TYPES
        )

    def definitions(self) -> list[UaNode]:
        """Return the nodes that define types or belong to the model itself."""
        return [node for node in self._nodes.values() if not self.is_instance(node)]

    def _find_declarations(self) -> Iterator[str]:
        """Yield the nodes that define types, and all below them."""
        pending = [
            node.node_id
            for node in self._nodes.values()
            if node.kind not in _INSTANCES
            or type_of(node) in DESCRIPTIVE_TYPES
            or any(reference.kind == HAS_MODELLING_RULE for reference in node.references)
        ]
        seen = set(pending)
        while pending:
            current = pending.pop()
            yield current
            below = [child for child in self._children.get(current, {}) if child not in seen]
            seen.update(below)
            pending.extend(below)


def type_of(node: UaNode) -> str:
    """Return the node id of a node's type definition, or an empty text."""
    for reference in node.references:
        if reference.kind == HAS_TYPE_DEFINITION and reference.is_forward:
            return reference.target
    return ""
