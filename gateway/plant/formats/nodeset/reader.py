"""Import of OPC UA NodeSets: objects become assets, variables points and properties."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    PlantModel,
    Point,
    Property,
    Relation,
)
from gateway.plant.formats.hierarchy import fit_levels
from gateway.plant.formats.limits import DEFAULT_LIMITS, FormatLimits
from gateway.plant.formats.nodeset.document import UaNode, read_nodes
from gateway.plant.formats.nodeset.graph_parts import (
    FoundEntity,
    find_entity,
    is_predicate,
    read_relation,
)
from gateway.plant.formats.nodeset.terms import (
    COMPONENTS,
    CONTAINER_NAMES,
    CONTAINER_TYPES,
    DATA_TYPES,
    HAS_PROPERTY,
    NAMEPLATE_IDS,
    PRODUCT_URI,
)
from gateway.plant.formats.nodeset.tree import InstanceTree, type_of
from gateway.plant.formats.numbers import read_number
from gateway.plant.formats.results import ImportedModel, NoteCode, NoteCollector

_VARIABLE = "UAVariable"


@dataclass(slots=True)
class _Found:
    """What a walk through the tree has found. Assets are in the order of the walk."""

    assets: list["_FoundAsset"] = field(default_factory=list)
    points: list[tuple[Point, "_FoundAsset | None"]] = field(default_factory=list)
    entities: list[FoundEntity] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _FoundAsset:
    """An object that is an asset; its code is chosen when all names are known."""

    node: UaNode
    path: str
    parent: "_FoundAsset | None"
    level: AssetLevel
    properties: dict[str, Property] = field(default_factory=dict)
    global_id: str | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a walk is: the asset above, the browse path, and what is directly above.

    `container` is the name of a container, `in_variable` whether it is a variable.
    """

    asset: _FoundAsset | None
    path: str
    entity: FoundEntity | None = None
    container: str = ""
    in_variable: bool = False


def read_nodeset(content: bytes, limits: FormatLimits = DEFAULT_LIMITS) -> ImportedModel:
    """Return the model of the instances of a NodeSet2 file. Type definitions are noted.

    Raises FormatInvalid, FormatTooLarge.
    """
    notes = NoteCollector()
    tree = InstanceTree(read_nodes(content, limits))
    found = _walk(tree, limits, notes)
    for node in tree.definitions():
        if is_predicate(node.node_id):
            continue
        is_method = node.kind == "UAMethod"
        notes.add(NoteCode.ELEMENT_SKIPPED if is_method else NoteCode.TYPE_DEFINITION, node.name)
    _choose_codes(found.assets, notes)
    model = PlantModel(
        _assets(found.assets, notes),
        _points(found.points, notes),
        tuple(one.entity() for one in found.entities),
        tuple(found.relations),
    )
    return ImportedModel(model, notes.notes())


def _walk(tree: InstanceTree, limits: FormatLimits, notes: NoteCollector) -> _Found:
    """Visit each instance once, from the roots downwards."""
    found = _Found()
    seen: set[str] = set()
    pending = [("", root, _Place(None, ""), 0) for root in reversed(tree.roots())]
    while pending:
        kind, node, place, depth = pending.pop()
        if node.node_id in seen:
            continue
        seen.add(node.node_id)
        limits.check_depth(depth)
        path = f"{place.path}/{node.name}".lstrip("/")
        _add_relations(found, node, notes)
        if node.kind == _VARIABLE:
            _add_variable(tree, found, kind, node, replace(place, path=path), notes)
            below = _Place(place.asset, path, in_variable=True)
        else:
            below = _add_object(found, node, path, place)
        children = [(one, child, below, depth + 1) for one, child in tree.children(node)]
        pending.extend(reversed(children))
    return found


def _add_object(found: _Found, node: UaNode, path: str, place: _Place) -> _Place:
    """Add the asset or entity of an object unless it is a container.

    Returns the place below it.
    """
    entity = find_entity(node.stated)
    if entity is not None:
        found.entities.append(entity)
        return _Place(None, path, entity)
    is_container = type_of(node) in CONTAINER_TYPES or (
        place.asset is not None and node.name in CONTAINER_NAMES
    )
    if is_container and "code" not in node.stated:
        return _Place(place.asset, path, container=node.name)
    level = AssetLevel.COMPONENT if place.container == COMPONENTS else AssetLevel.EQUIPMENT
    stated = node.stated.get("level", "")
    asset = _FoundAsset(
        node, path, place.asset, AssetLevel(stated) if stated in set(AssetLevel) else level
    )
    found.assets.append(asset)
    return _Place(asset, path)


def _add_variable(
    tree: InstanceTree,
    found: _Found,
    kind: str,
    node: UaNode,
    place: _Place,
    notes: NoteCollector,
) -> None:
    """Add the point or property of a variable at the place's path, reached by a reference."""
    if kind == HAS_PROPERTY or place.container == "Identification":
        if not place.in_variable:
            _add_property(node, place, notes)
    elif node.data_type in DATA_TYPES and node.is_scalar:
        found.points.append((_point(tree, node, place.path), place.asset))
    else:
        notes.add(NoteCode.ELEMENT_SKIPPED, place.path)


def _add_relations(found: _Found, node: UaNode, notes: NoteCollector) -> None:
    """Add the relations that our own exports state."""
    for stated in node.relations:
        relation = read_relation(stated)
        if relation is None:
            notes.add(NoteCode.RELATION_SKIPPED, node.name)
        else:
            found.relations.append(relation)


def _add_property(node: UaNode, place: _Place, notes: NoteCollector) -> None:
    """Add a property to the asset or entity above it."""
    text, asset = node.value.text, place.asset
    owner = place.entity or asset
    if owner is None or not text:
        notes.add(NoteCode.ELEMENT_SKIPPED, node.name)
    elif asset is not None and node.name == PRODUCT_URI:
        asset.global_id = text
    else:
        stated = node.stated
        semantic_id = stated.get("semanticId", NAMEPLATE_IDS.get(node.name, ""))
        name = stated.get("name", node.name)
        owner.properties[name] = Property(text, stated.get("unit", ""), semantic_id)


def _point(tree: InstanceTree, node: UaNode, path: str) -> Point:
    """Return the point of a variable, without its asset."""
    stated, unit, low, high = node.stated, "", None, None
    for kind, child in tree.children(node):
        if kind == HAS_PROPERTY and child.name == "EngineeringUnits":
            unit = child.value.unit
        elif kind == HAS_PROPERTY and child.name in ("EURange", "InstrumentRange"):
            if low is None or child.name == "EURange":
                low, high = child.value.low, child.value.high
    tag = stated.get("tag", path)
    name = node.display_name if node.display_name != node.name else ""
    scheme, concept = stated.get("conceptScheme", ""), stated.get("conceptId", "")
    return Point(
        tag,
        stated.get("name", name),
        None,
        stated.get("unit", unit),
        DATA_TYPES[node.data_type],
        read_number(stated["low"]) if "low" in stated else low,
        read_number(stated["high"]) if "high" in stated else high,
        Concept(scheme, concept) if scheme and concept else None,
    )


def _choose_codes(assets: list[_FoundAsset], notes: NoteCollector) -> None:
    """Set the codes: those of our own exports, unique names, or browse paths."""
    names = Counter(asset.node.stated.get("code", asset.node.name) for asset in assets)
    taken: set[str] = set()
    for asset in assets:
        name = asset.node.stated.get("code", asset.node.name)
        asset.code = name if names[name] == 1 else asset.path
        if names[name] > 1:
            notes.add(NoteCode.CODE_REPLACED, name)
        while asset.code in taken:
            asset.code = f"{asset.code}#{asset.node.node_id}"
        taken.add(asset.code)


def _assets(found: list[_FoundAsset], notes: NoteCollector) -> tuple[Asset, ...]:
    """Return the assets, with levels that fit the hierarchy."""
    parents = {one.code: one.parent.code for one in found if one.parent is not None}
    levels = fit_levels({one.code: one.level for one in found}, parents, notes)
    return tuple(
        Asset(
            one.code,
            one.node.stated.get("name", one.node.display_name),
            levels[one.code],
            parents.get(one.code),
            _types(one.node.stated),
            one.properties,
            one.global_id,
        )
        for one in found
    )


def _types(stated: Mapping[str, str]) -> dict[str, str]:
    """Return the class ids that our own exports state."""
    return {name: stated[name] for name in ("brick", "iso14224", "eclass") if name in stated}


def _points(
    found: list[tuple[Point, _FoundAsset | None]], notes: NoteCollector
) -> tuple[Point, ...]:
    """Return the points with their assets; of several with one tag the first."""
    points: dict[str, Point] = {}
    for point, asset in found:
        if point.tag in points:
            notes.add(NoteCode.CODE_REPLACED, point.tag)
        else:
            points[point.tag] = replace(point, asset=asset.code if asset else None)
    return tuple(points.values())
