"""Parse a NodeSet2 file into nodes with absolute node ids."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from xml.etree.ElementTree import Element

from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.nodeset.terms import ALIASES, NODESET, PLANT
from gateway.plant.formats.nodeset.values import NO_VALUE, UaValue, read_value
from gateway.plant.formats.results import FormatInvalid
from gateway.plant.formats.xml_events import xml_events
from models.sentences import sentence

_TAG = f"{{{NODESET}}}"
_PLANT_TAG = f"{{{PLANT}}}"
_RELATIONS = f"{_TAG}Extensions/{_TAG}Extension/{_PLANT_TAG}Relation"
_KINDS = frozenset(
    f"UA{kind}"
    for kind in (
        *("Object", "Variable", "Method", "View"),
        *("ObjectType", "VariableType", "DataType", "ReferenceType"),
    )
)
_INDEX = re.compile(r"ns=(\d{1,5});")
_QUALIFIED = re.compile(r"(?:\d{1,5}:)?(.*)", re.DOTALL)
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class UaReference:
    """A reference to another node; `kind` is the node id of its type."""

    kind: str
    target: str
    is_forward: bool


@dataclass(frozen=True, slots=True)
class UaNode:
    """A node. Ids of namespace 0 are as written, those of others begin with the namespace's URI.

    `value` is what is below `Value`, `stated` and `relations` what our own exports add.
    """

    node_id: str
    kind: str
    name: str
    display_name: str
    data_type: str
    references: tuple[UaReference, ...]
    value: UaValue = NO_VALUE
    is_scalar: bool = True
    stated: Mapping[str, str] = field(default_factory=dict)
    relations: tuple[Mapping[str, str], ...] = ()


def read_nodes(content: bytes, limits: FormatLimits) -> list[UaNode]:
    """Return the nodes of a file in its order. Raises FormatInvalid, FormatTooLarge."""
    limits.check_bytes(content)
    reader, depth = _NodeReader(), 0
    root: Element | None = None
    for event, element in xml_events(content, limits):
        if event == "start":
            depth += 1
            root = element if root is None else root
            continue
        depth -= 1
        if depth == 1 and root is not None:
            reader.read(element)
            root.clear()
    if root is None or root.tag != f"{_TAG}UANodeSet":
        raise FormatInvalid(sentence("The file is not an OPC UA NodeSet2 document."))
    return reader.nodes


class _NodeReader:
    """Reads the elements directly below the root: namespaces, aliases, then nodes."""

    def __init__(self) -> None:
        self.nodes: list[UaNode] = []
        self._namespaces = [""]
        self._aliases = dict(ALIASES)
        self._same: dict[str, str] = {}

    def read(self, element: Element) -> None:
        """Read one element; unknown ones are ignored."""
        name = element.tag.removeprefix(_TAG)
        if name == "NamespaceUris":
            self._namespaces += [_text(uri) for uri in element]
        elif name == "Aliases":
            for alias in element:
                self._aliases[alias.get("Alias", "")] = self._absolute(_text(alias))
        elif name in _KINDS:
            self.nodes.append(self._node(element, name))

    def _node(self, element: Element, kind: str) -> UaNode:
        """Return the node of an element."""
        browse_name = element.get("BrowseName", "")
        match = _QUALIFIED.fullmatch(browse_name)
        name = match[1] if match else browse_name
        value = element.find(f"{_TAG}Value")
        return UaNode(
            self._shared(self._absolute(element.get("NodeId", ""))),
            kind,
            name,
            _text(element.find(f"{_TAG}DisplayName")) or name,
            self._resolve(element.get("DataType", "i=24")),
            tuple(self._references(element)),
            NO_VALUE if value is None or not len(value) else read_value(value[0]),
            element.get("ValueRank", "-1") in ("-1", "-2", "-3"),
            _stated(element),
            tuple(dict(one.attrib) for one in element.iterfind(_RELATIONS)),
        )

    def _references(self, element: Element) -> Iterator[UaReference]:
        """Yield the references of a node."""
        for reference in element.iterfind(f"{_TAG}References/{_TAG}Reference"):
            yield UaReference(
                self._resolve(reference.get("ReferenceType", "")),
                self._shared(self._absolute(_text(reference))),
                reference.get("IsForward", "true") != "false",
            )

    def _shared(self, node_id: str) -> str:
        """Return a node id as the one text that all nodes of the file share."""
        return self._same.setdefault(node_id, node_id)

    def _resolve(self, text: str) -> str:
        """Return the absolute node id of an alias or node id."""
        return self._aliases.get(text) or self._absolute(text)

    def _absolute(self, text: str) -> str:
        """Return a node id with the URI of its namespace. Raises FormatInvalid."""
        match = _INDEX.match(text)
        if match is None:
            return text
        index = int(match[1])
        if index >= len(self._namespaces):
            raise FormatInvalid(
                sentence("The node id {id} has an undeclared namespace.", id=repr(text[:100]))
            )
        rest = text[match.end() :]
        return f"{self._namespaces[index]}|{rest}" if index else rest


def _text(element: Element | None) -> str:
    """Return the text of an element, empty without one."""
    return "" if element is None else (element.text or "").strip()


def _stated(element: Element) -> Mapping[str, str]:
    """Return the attributes of the extension that our own exports write."""
    for extension in element.iterfind(f"{_TAG}Extensions/{_TAG}Extension/{_PLANT_TAG}Node"):
        return dict(extension.attrib)
    return _NOTHING
