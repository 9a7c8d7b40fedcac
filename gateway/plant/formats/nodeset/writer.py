"""Export as an OPC UA NodeSet2 file, which a server can load below its Objects folder."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement

from gateway.plant.assets.values import (
    Asset,
    DataType,
    Entity,
    Node,
    NodeKind,
    PlantModel,
    Point,
    Property,
)
from gateway.plant.formats.nodeset.graph_parts import (
    Relations,
    add_relations,
    node_id,
    reference_type,
)
from gateway.plant.formats.nodeset.serialization import NodeSetFile
from gateway.plant.formats.nodeset.terms import (
    ANALOG_UNIT_RANGE_TYPE,
    ANALOG_UNIT_TYPE,
    BASE_ANALOG_TYPE,
    BASE_OBJECT_TYPE,
    BASE_VARIABLE_TYPE,
    HAS_COMPONENT,
    HAS_PROPERTY,
    HAS_TYPE_DEFINITION,
    NAMEPLATE_IDS,
    NODESET,
    OBJECTS_FOLDER,
    ORGANIZES,
    PLANT,
    PRODUCT_URI,
    PROPERTY_TYPE,
    RANGE_ENCODING,
    RANGE_TYPE,
    TYPES,
    UNIT_ENCODING,
    UNIT_TYPE,
)
from gateway.plant.formats.nodeset.values import unit_id
from gateway.plant.formats.numbers import number_text
from gateway.plant.formats.results import ExportedFile, NoteCode, NoteCollector
from gateway.plant.formats.units import to_unece

MEDIA_TYPE = "application/xml"
_UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"
_DATA_TYPES = {DataType.NUMBER: "i=11", DataType.BOOLEAN: "i=1", DataType.TEXT: "i=12"}
_STRING = "i=12"
Item = TypeVar("Item")


def write_nodeset(model: PlantModel, namespace: str = PLANT) -> ExportedFile:
    """Return the model as a NodeSet2 file with one namespace of this URI.

    What OPC UA has no place for is in extensions of the nodes, which other tools ignore. Relations
    whose subject is not in the model are left out and noted.
    """
    notes = NoteCollector()
    known = {Node(NodeKind.ASSET, one.code) for one in model.assets}
    known |= {Node(NodeKind.POINT, one.tag) for one in model.points}
    known |= {Node(NodeKind(one.kind.value), one.code) for one in model.entities}
    for relation in model.relations:
        if relation.subject not in known:
            notes.add(NoteCode.RELATION_SKIPPED, relation.predicate)
    relations = Relations.of(model.relations, known.__contains__)
    file = NodeSetFile()
    for element in _head(namespace, relations):
        file.add(element)
    for nodes in _nodes(model, relations):
        for element in nodes:
            file.add(element)
    return ExportedFile(file.content(), MEDIA_TYPE, notes.notes())


def _head(namespace: str, relations: Relations) -> Iterator[Element]:
    """Yield what comes before the nodes of the plant."""
    uris = Element(f"{{{NODESET}}}NamespaceUris")
    _child(uris, "Uri", namespace)
    yield uris
    models = Element(f"{{{NODESET}}}Models")
    SubElement(models, f"{{{NODESET}}}Model", {"ModelUri": namespace})
    yield models
    for predicate in relations.predicates:
        yield reference_type(predicate)


def _nodes(model: PlantModel, relations: Relations) -> Iterator[Element]:
    """Yield, for each asset, point and entity, an element with its node and those below it."""
    for asset in _parents_first(model.assets):
        yield _related(_add_asset, asset, Node(NodeKind.ASSET, asset.code), relations)
    for point in model.points:
        yield _related(_add_point, point, Node(NodeKind.POINT, point.tag), relations)
    for entity in model.entities:
        node = Node(NodeKind(entity.kind.value), entity.code)
        yield _related(_add_entity, entity, node, relations)


def _related(
    add: Callable[[Element, Item], None], item: Item, node: Node, relations: Relations
) -> Element:
    """Return the nodes of an item below an element, the first with its relations."""
    holder = Element("nodes")
    add(holder, item)
    add_relations(holder[0], relations.by_subject.get(node, ()))
    return holder


def _parents_first(assets: tuple[Asset, ...]) -> list[Asset]:
    """Return the assets so that parents come before their parts."""
    known = {asset.code: asset for asset in assets}
    ordered: dict[str, Asset] = {}
    for asset in assets:
        chain = [asset]
        while chain[-1].parent in known and chain[-1].parent not in ordered:
            chain.append(known[chain[-1].parent or ""])
            if len(chain) > len(known):
                break
        for one in reversed(chain):
            ordered.setdefault(one.code, one)
    return list(ordered.values())


def _asset_id(code: str) -> str:
    """Return the node id of an asset."""
    return f"ns=1;s=asset:{quote(code, safe='')}"


def _add_asset(root: Element, asset: Asset) -> None:
    """Add the object of an asset, and its properties as variables."""
    node_id = _asset_id(asset.code)
    parent = OBJECTS_FOLDER if asset.parent is None else _asset_id(asset.parent)
    link = ORGANIZES if asset.parent is None else HAS_COMPONENT
    stated = {"code": asset.code, "level": asset.level.value, **asset.types}
    _node(root, "UAObject", node_id, asset.code, asset.name, BASE_OBJECT_TYPE, link, parent, stated)
    if asset.global_id:
        uri = Property(asset.global_id)
        _add_property(root, node_id, PRODUCT_URI, uri, {})
    for name, value in asset.properties.items():
        stated = {"name": name} if name == PRODUCT_URI else {}
        if value.semantic_id != NAMEPLATE_IDS.get(name, ""):
            stated["semanticId"] = value.semantic_id
        if value.unit:
            stated["unit"] = value.unit
        browse_name = f"{name}_" if name == PRODUCT_URI else name
        _add_property(root, node_id, browse_name, value, stated)


def _add_entity(root: Element, entity: Entity) -> None:
    """Add the object of an entity, and its properties as variables."""
    owner = node_id(Node(NodeKind(entity.kind.value), entity.code))
    stated = {"kind": entity.kind.value, "code": entity.code, "name": entity.name}
    place = (BASE_OBJECT_TYPE, ORGANIZES, OBJECTS_FOLDER, stated)
    _node(root, "UAObject", owner, entity.code, entity.name or entity.code, *place)
    for name, value in entity.properties.items():
        stated = {"name": name, "semanticId": value.semantic_id, "unit": value.unit}
        _add_property(root, owner, name, value, stated)


def _add_property(
    root: Element, owner: str, name: str, value: Property, stated: Mapping[str, str]
) -> None:
    """Add a property with a text below a node."""
    node_id = f"{owner}/property/{quote(name, safe='')}"
    variable = _node(
        root, "UAVariable", node_id, name, name, PROPERTY_TYPE, HAS_PROPERTY, owner, stated
    )
    variable.set("DataType", _STRING)
    _typed(_child(variable, "Value"), "String", value.value)


def _add_point(root: Element, point: Point) -> None:
    """Add the variable of a point, with its unit and range."""
    node_id = f"ns=1;s=point:{quote(point.tag, safe='')}"
    parent = OBJECTS_FOLDER if point.asset is None else _asset_id(point.asset)
    link = ORGANIZES if point.asset is None else HAS_COMPONENT
    code = to_unece(point.unit) if point.data_type is DataType.NUMBER else ""
    has_range = point.low is not None and point.high is not None
    variable = _node(
        root,
        "UAVariable",
        node_id,
        point.tag,
        point.name or point.tag,
        _variable_type(point, code, has_range),
        link,
        parent,
        _stated(point, code, has_range),
    )
    variable.set("DataType", _DATA_TYPES[point.data_type])
    if point.data_type is DataType.NUMBER and has_range:
        _add_range(root, node_id, point)
    if code:
        _add_unit(root, node_id, point.unit, code)


def _variable_type(point: Point, code: str, has_range: bool) -> str:
    """Return the type of a point's variable: with a unit and a range if it has them."""
    if point.data_type is not DataType.NUMBER or not (code or has_range):
        return BASE_VARIABLE_TYPE
    if code:
        return ANALOG_UNIT_RANGE_TYPE if has_range else ANALOG_UNIT_TYPE
    return BASE_ANALOG_TYPE


def _stated(point: Point, code: str, has_range: bool) -> dict[str, str]:
    """Return what OPC UA has no place for."""
    bounds = {} if has_range and point.data_type is DataType.NUMBER else _bounds(point)
    concept = point.concept
    stated = {
        "tag": point.tag,
        "name": point.name,
        **({"unit": point.unit} if point.unit and not code else {}),
        **bounds,
    }
    if concept is not None:
        stated |= {"conceptScheme": concept.scheme, "conceptId": concept.id}
    return stated


def _bounds(point: Point) -> dict[str, str]:
    """Return the bounds that a point has, by name."""
    pairs = (("low", point.low), ("high", point.high))
    return {name: number_text(bound) for name, bound in pairs if bound is not None}


def _add_range(root: Element, owner: str, point: Point) -> None:
    """Add the range of a point's variable."""
    body = _structure(root, owner, "EURange", RANGE_TYPE, RANGE_ENCODING, "Range")
    _typed(body, "Low", number_text(point.low or 0.0))
    _typed(body, "High", number_text(point.high or 0.0))


def _add_unit(root: Element, owner: str, unit: str, code: str) -> None:
    """Add the unit of a point's variable."""
    body = _structure(root, owner, "EngineeringUnits", UNIT_TYPE, UNIT_ENCODING, "EUInformation")
    _typed(body, "NamespaceUri", _UNECE)
    _typed(body, "UnitId", str(unit_id(code)))
    _typed(_typed(body, "DisplayName"), "Text", unit)
    _typed(_typed(body, "Description"), "Text", unit)


def _structure(
    root: Element, owner: str, name: str, data_type: str, encoding: str, element: str
) -> Element:
    """Add a property of namespace 0 with a structure. Returns the structure's element."""
    variable = _node(
        root, "UAVariable", f"{owner}/{name}", name, name, PROPERTY_TYPE, HAS_PROPERTY, owner, {}
    )
    variable.set("BrowseName", name)
    variable.set("DataType", data_type)
    extension = _typed(_child(variable, "Value"), "ExtensionObject")
    _typed(_typed(extension, "TypeId"), "Identifier", encoding)
    return _typed(_typed(extension, "Body"), element)


def _node(
    root: Element,
    kind: str,
    node_id: str,
    name: str,
    display_name: str,
    type_definition: str,
    link: str,
    parent: str,
    stated: Mapping[str, str],
) -> Element:
    """Add a node below its parent, with an extension that holds `stated`."""
    attributes = {"NodeId": node_id, "BrowseName": f"1:{name}", "ParentNodeId": parent}
    node = SubElement(root, f"{{{NODESET}}}{kind}", attributes)
    _child(node, "DisplayName", display_name)
    references = _child(node, "References")
    _reference(references, HAS_TYPE_DEFINITION, type_definition)
    _reference(references, link, parent).set("IsForward", "false")
    if stated:
        extension = _child(_child(node, "Extensions"), "Extension")
        SubElement(extension, f"{{{PLANT}}}Node", dict(stated))
    return node


def _reference(references: Element, kind: str, target: str) -> Element:
    """Add a reference."""
    reference = _child(references, "Reference", target)
    reference.set("ReferenceType", kind)
    return reference


def _child(parent: Element, name: str, text: str | None = None) -> Element:
    """Add an element of the NodeSet's namespace."""
    element = SubElement(parent, f"{{{NODESET}}}{name}")
    element.text = text
    return element


def _typed(parent: Element, name: str, text: str | None = None) -> Element:
    """Add an element of the namespace of values."""
    element = SubElement(parent, f"{{{TYPES}}}{name}")
    element.text = text
    return element
