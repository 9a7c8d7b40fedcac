"""One asset or point of a Brick file, with its class, unit and properties."""

from collections.abc import Mapping

import pyoxigraph

from gateway.plant.assets.values import Asset, AssetLevel, Concept, DataType, Point, Property
from gateway.plant.formats.brick.graph import LABEL, Resource, Triples
from gateway.plant.formats.brick.naming import local_name
from gateway.plant.formats.brick.terms import BRICK, GENERIC, PLANT, UNIT
from gateway.plant.formats.numbers import read_number
from gateway.plant.formats.results import NoteCode, NoteCollector
from gateway.plant.formats.units import from_qudt


def read_asset(
    triples: Triples,
    entity: Resource,
    code: str,
    level: AssetLevel,
    parent: str | None,
    notes: NoteCollector,
) -> Asset:
    """Return the asset of an entity."""
    types = {
        scheme: text
        for scheme in ("iso14224", "eclass")
        if (text := triples.text(entity, f"{PLANT}{scheme}"))
    }
    if name := _class_name(triples, entity, notes):
        types["brick"] = f"{BRICK}{name}"
    return Asset(
        code,
        triples.text(entity, LABEL) or local_name(entity),
        level,
        parent,
        types,
        _properties(triples, entity, notes),
        triples.text(entity, f"{PLANT}globalId") or None,
    )


def read_point(
    triples: Triples, entity: Resource, tag: str, asset: str | None, notes: NoteCollector
) -> Point:
    """Return the point of an entity. `asset` is the code of its asset."""
    stated = triples.text(entity, f"{PLANT}dataType")
    label = triples.text(entity, LABEL)
    name = label or (local_name(entity) if local_name(entity) != tag else "")
    return Point(
        tag,
        name,
        asset,
        _unit(triples, entity, notes),
        DataType(stated) if stated in set(DataType) else DataType.NUMBER,
        read_number(triples.text(entity, f"{PLANT}low")),
        read_number(triples.text(entity, f"{PLANT}high")),
        _concept(triples, entity, notes),
    )


def _class_name(triples: Triples, entity: Resource, notes: NoteCollector) -> str:
    """Return the name of the entity's Brick class: a specific one, the first of several."""
    names = triples.class_names(entity)
    specific = [name for name in names if name not in GENERIC]
    if len(specific) > 1:
        notes.add(NoteCode.TYPE_SKIPPED, local_name(entity), len(specific) - 1)
    return specific[0] if specific else ""


def _concept(triples: Triples, entity: Resource, notes: NoteCollector) -> Concept | None:
    """Return the concept of a point: of another scheme if our own export says so, or its class."""
    scheme = triples.text(entity, f"{PLANT}conceptScheme")
    if scheme:
        return Concept(scheme, triples.text(entity, f"{PLANT}conceptId"))
    name = _class_name(triples, entity, notes)
    return Concept("brick", f"{BRICK}{name}") if name else None


def _unit(triples: Triples, entity: Resource, notes: NoteCollector) -> str:
    """Return the unit of an entity or value, or an empty text."""
    if text := triples.text(entity, f"{PLANT}unit"):
        return text
    for value in triples.resources(entity, f"{BRICK}hasUnit"):
        unit = from_qudt(value.value.removeprefix(UNIT))
        if unit:
            return unit
        notes.add(NoteCode.UNIT_UNKNOWN, value.value)
    return ""


def _properties(triples: Triples, entity: Resource, notes: NoteCollector) -> Mapping[str, Property]:
    """Return the properties of an asset: Brick's entity properties, and those of our exports."""
    properties: dict[str, Property] = {}
    for predicate in triples.predicates():
        if predicate.startswith((BRICK, f"{PLANT}property")):
            for node in triples.resources(entity, predicate):
                _add_property(properties, triples, node, predicate, notes)
    return properties


def read_own_properties(
    triples: Triples, entity: Resource, notes: NoteCollector
) -> Mapping[str, Property]:
    """Return the properties of an entity that are in terms of our own."""
    properties: dict[str, Property] = {}
    for node in triples.resources(entity, f"{PLANT}property"):
        _add_property(properties, triples, node, f"{PLANT}property", notes)
    return properties


def _add_property(
    properties: dict[str, Property],
    triples: Triples,
    node: Resource,
    predicate: str,
    notes: NoteCollector,
) -> None:
    """Add the property whose value is a node, if it is one."""
    values = triples.values(node, f"{BRICK}value")
    if not values:
        return
    unit = _unit(triples, node, notes)
    value = values[0].value if isinstance(values[0], pyoxigraph.Literal) else str(values[0].value)
    if predicate.startswith(BRICK):
        properties[predicate.removeprefix(BRICK)] = Property(value, unit, predicate)
    else:
        name = triples.text(node, f"{PLANT}name")
        properties[name] = Property(value, unit, triples.text(node, f"{PLANT}semanticId"))
