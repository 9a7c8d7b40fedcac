"""Import of Brick models: entities become assets and points, properties become relations."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

import pyoxigraph

from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Node,
    NodeKind,
    PlantModel,
    Relation,
)
from gateway.plant.formats.brick.entities import read_asset, read_point
from gateway.plant.formats.brick.graph import Resource, Triples, read_triples
from gateway.plant.formats.brick.graph_parts import read_entities, read_relations
from gateway.plant.formats.brick.naming import unique_names
from gateway.plant.formats.brick.terms import (
    BRICK,
    INVERSES,
    OWL,
    PLANT,
    RDF,
    RDFS,
    REF,
    RELATIONS,
    is_point_class,
    is_zone_class,
    usual_level,
)
from gateway.plant.formats.hierarchy import fit_levels, without_cycles
from gateway.plant.formats.limits import DEFAULT_LIMITS, FormatLimits
from gateway.plant.formats.results import ImportedModel, NoteCode, NoteCollector

Edge = tuple[Resource, str, Resource]

_READ = frozenset(
    {
        *(f"{BRICK}{name}" for name in (*RELATIONS, *INVERSES, "hasUnit", "value", "hasTag")),
        *(f"{BRICK}{name}" for name in ("timeseries", "hasTimeseriesId", "hasAssociatedTag")),
        *(f"{REF}{name}" for name in ("hasExternalReference", "hasTimeseriesReference")),
        f"{REF}hasTimeseriesId",
        f"{RDF}type",
        f"{RDFS}label",
        f"{OWL}imports",
    }
)


@dataclass(frozen=True, slots=True)
class _Entities:
    """The entities of a file with their codes and tags, and the edges between them."""

    assets: Mapping[Resource, str]
    points: Mapping[Resource, str]
    edges: tuple[Edge, ...]

    def node(self, resource: Resource) -> Node:
        """Return the reference to an entity."""
        if resource in self.assets:
            return Node(NodeKind.ASSET, self.assets[resource])
        return Node(NodeKind.POINT, self.points[resource])


def read_brick(content: bytes, limits: FormatLimits = DEFAULT_LIMITS) -> ImportedModel:
    """Return the model of a Turtle file. Raises FormatInvalid, FormatTooLarge."""
    notes = NoteCollector()
    triples = read_triples(content, limits)
    entities = _find_entities(triples, notes)
    owners, used_by_points = _owners(triples, entities, notes)
    parents, used_by_parents = _parents(triples, entities, notes)
    model = PlantModel(
        _read_assets(triples, entities, parents, notes),
        tuple(
            read_point(triples, point, tag, entities.assets.get(owners.get(point, point)), notes)
            for point, tag in entities.points.items()
        ),
        tuple(read_entities(triples, notes)),
        (
            *_relations(entities, used_by_points | used_by_parents),
            *read_relations(triples, notes),
        ),
    )
    _note_skipped(triples, notes)
    return ImportedModel(model, notes.notes())


def _find_entities(triples: Triples, notes: NoteCollector) -> _Entities:
    """Return the entities that have a Brick class or are parts or points of others."""
    classes = {
        subject: names
        for subject in dict.fromkeys(subject for subject, _ in triples.pairs(f"{RDF}type"))
        if (names := triples.class_names(subject))
    }
    edges = tuple(_edges(triples))
    owned = {end for _, name, end in edges if name == "hasPoint"}
    owning = {subject for subject, name, _ in edges if name == "hasPoint"}
    points = dict.fromkeys(
        entity
        for entity, names in classes.items()
        if entity not in owning and (entity in owned or any(map(is_point_class, names)))
    )
    assets = [entity for entity in classes if entity not in points]
    for entity in sorted({*(s for s, _, _ in edges), *(o for _, _, o in edges)} - classes.keys()):
        notes.add(NoteCode.NO_TYPE, entity.value)
    tags = _tags(triples, points, notes)
    known = [edge for edge in edges if edge[0] in classes and edge[2] in classes]
    return _Entities(unique_names(assets, notes), tags, tuple(_of_points(known, tags)))


def _of_points(edges: Iterable[Edge], points: Container[Resource]) -> Iterable[Edge]:
    """Return the edges, of which those from a point to its place or whole say who has the point."""
    turned: dict[Edge, None] = {}
    for subject, name, value in edges:
        if subject in points and name in ("hasLocation", "isPartOf"):
            turned[value, "hasPoint", subject] = None
        else:
            turned[subject, name, value] = None
    return turned


def _edges(triples: Triples) -> Iterable[Edge]:
    """Return the edges between entities, inverse properties turned round, without repetition."""
    edges: dict[Edge, None] = {}
    for name in RELATIONS:
        for subject, value in triples.pairs(f"{BRICK}{name}"):
            if not isinstance(value, pyoxigraph.Literal):
                edges[subject, name, value] = None
    for inverse, name in INVERSES.items():
        for subject, value in triples.pairs(f"{BRICK}{inverse}"):
            if not isinstance(value, pyoxigraph.Literal):
                edges[value, name, subject] = None
    return edges


def _tags(
    triples: Triples, points: Iterable[Resource], notes: NoteCollector
) -> Mapping[Resource, str]:
    """Return the tag of each point: the id of its time series if that is unique, or its name."""
    names = dict(unique_names(points, notes))
    taken = set(names.values())
    for point in names:
        if (tag := _timeseries_id(triples, point)) and tag != names[point]:
            if tag in taken:
                notes.add(NoteCode.CODE_REPLACED, tag)
            else:
                names[point] = tag
                taken.add(tag)
    return names


def _timeseries_id(triples: Triples, point: Resource) -> str:
    """Return the id of a point's time series, or an empty text."""
    for link in (
        f"{REF}hasExternalReference",
        f"{REF}hasTimeseriesReference",
        f"{BRICK}timeseries",
    ):
        for reference in triples.resources(point, link):
            for name in (f"{REF}hasTimeseriesId", f"{BRICK}hasTimeseriesId"):
                if text := triples.text(reference, name):
                    return text
    return ""


def _owners(
    triples: Triples, entities: _Entities, notes: NoteCollector
) -> tuple[dict[Resource, Resource], set[Edge]]:
    """Return the asset of each point, equipment before places, and the edges that say so."""
    chosen: dict[Resource, Edge] = {}
    for edge in entities.edges:
        owner, name, point = edge
        if name == "hasPoint" and owner in entities.assets and point in entities.points:
            present = chosen.get(point)
            if present is None or _rank(triples, owner) > _rank(triples, present[0]):
                chosen[point] = edge
    return {point: edge[0] for point, edge in chosen.items()}, set(chosen.values())


def _parents(
    triples: Triples, entities: _Entities, notes: NoteCollector
) -> tuple[dict[str, str], set[Edge]]:
    """Return the parent's code of each asset's code, and the edges that say so.

    An asset is a child of the whole that it is a part of, or else of its location. Of several
    wholes the lowest in the hierarchy is taken, zones last.
    """
    chosen: dict[Resource, tuple[tuple[bool, bool, int], Edge]] = {}
    for edge in entities.edges:
        child, name, parent = edge
        if name in ("isPartOf", "hasLocation") and {child, parent} <= entities.assets.keys():
            zone = any(map(is_zone_class, triples.class_names(parent)))
            preference = (name == "isPartOf", not zone, _rank(triples, parent))
            if child not in chosen or preference > chosen[child][0]:
                chosen[child] = (preference, edge)
    codes = entities.assets
    parents = {codes[child]: codes[edge[2]] for child, (_, edge) in chosen.items()}
    return without_cycles(parents, notes), {edge for _, edge in chosen.values()}


def _rank(triples: Triples, entity: Resource) -> int:
    """Return the rank of the usual level of an entity's classes."""
    return max((usual_level(name).rank for name in triples.class_names(entity)), default=0)


def _read_assets(
    triples: Triples, entities: _Entities, parents: Mapping[str, str], notes: NoteCollector
) -> tuple[Asset, ...]:
    """Return the assets, with levels that fit the hierarchy."""
    usual = {
        code: _stated_level(triples, entity) or usual_level(triples.class_names(entity)[0])
        for entity, code in entities.assets.items()
    }
    levels = fit_levels(usual, parents, notes)
    return tuple(
        read_asset(triples, entity, code, levels[code], parents.get(code), notes)
        for entity, code in entities.assets.items()
    )


def _stated_level(triples: Triples, entity: Resource) -> AssetLevel | None:
    """Return the level that our own exports state."""
    text = triples.text(entity, f"{PLANT}level")
    return AssetLevel(text) if text in set(AssetLevel) else None


def _relations(entities: _Entities, used: set[Edge]) -> tuple[Relation, ...]:
    """Return the relations of the edges that neither parents nor points' assets say."""
    return tuple(
        Relation(entities.node(subject), RELATIONS[name], entities.node(value))
        for subject, name, value in entities.edges
        if (subject, name, value) not in used
    )


def _note_skipped(triples: Triples, notes: NoteCollector) -> None:
    """Note the predicates that are not read, except those of properties with a value."""
    for predicate in triples.predicates():
        if predicate in _READ or predicate.startswith(PLANT):
            continue
        pairs = triples.pairs(predicate)
        without_value = [
            value
            for _, value in pairs
            if isinstance(value, pyoxigraph.Literal)
            or not triples.values(value, f"{BRICK}value")
            or not predicate.startswith(BRICK)
        ]
        if without_value:
            notes.add(NoteCode.STATEMENT_SKIPPED, predicate, len(without_value))
