"""Path-style point names of the buildings at hand: `site / ahu 3 / vav 109 / zone temp`.

Two buildings (SDH, UVA) have flat names. Their equipment and rooms are known, so their points are
written as paths here. A third (Soda Hall) is a Brick model: its paths follow the model's relations.
The last segment of a path is the plant's own name of the point, without its place.
"""

import csv
import gzip
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from models.tag_align.data import ROOMS, SODA, building
from models.tag_align.vocabulary import Concept, Scheme, Vocabulary
from models.training_data import read_training_set

PATH_BUILDINGS = ("SDH", "UVA", "Soda")
_SEPARATOR = " / "
_BRICK = "https://brickschema.org/schema/Brick#"
# The equipment at the start of a point's name in SDH, and its usual name.
_SDH_POINT = re.compile(r"(?:# )?sdh[._](?P<equipment>[a-z]+\d*[a-z]?(?:-\w+)?)[:._]?(?P<point>.*)")
_SDH_EQUIPMENT = (
    (re.compile(r"s(\d+-\d+)"), r"vav \1"),
    (re.compile(r"(r?)ah(\w.*)"), r"ahu \1\2"),
)
# Places in the point names of UVA: rooms, and floors or devices at the end.
_UVA_PLACES = re.compile(
    r"\bR[Mm]\s?I?\s?C?\s?I?\d+\w*|[AV]?(?:\d\w\w Floo?r|Basement|Auditorium|Room \d+|\d\w\w Foor"
    r"|Chilled Beam Source).*(?:Area|VAS|Devices)\s?\d*$|(?:dac|pgm|scc|wshp)\d+\w*$"
)
_UVA_COLUMNS = (("ahu", "ahu"), ("floor", "floor"), ("hvac_zone", "zone"), ("room", "room"))
# A node of the Turtle file with its class and its relations, each to one or more nodes.
_NODE = re.compile(
    r"^soda_hall:(?P<name>\S+) a brick:(?P<type>\w+)(?P<body>[^.]*)\.$", re.MULTILINE
)
_RELATION = re.compile(r"brick:(?P<relation>\w+) (?P<objects>[^;]*)")
_OBJECT = re.compile(r"soda_hall:(\w+)")
_PARENT_RELATIONS = ("feeds", "isLocationOf")
# What a point's node is named after besides the point: its owner, or the building with the floor.
_SODA_OWNER = re.compile(
    r"_(?:hvac_zone|supply_fan|exhaust_fan)_\w+$|_SODA?\d*(?:F\d)?_+|_SOD__BLD_\d"
)


@dataclass(frozen=True, slots=True)
class PathBuilding:
    """The path-style point names of a building, each once, and the concept id of each.

    `scheme` has most of the concepts; the others are classes of the building's own.
    """

    name: str
    scheme: Scheme
    concept_by_tag: Mapping[str, str]

    def vocabulary(self, shipped: Vocabulary) -> tuple[Concept, ...]:
        """Return the concepts of the scheme and the building's own ones."""
        concepts = shipped.concepts_in([self.scheme])
        known = {concept.id for concept in concepts}
        own = sorted(set(self.concept_by_tag.values()) - known)
        return (*concepts, *(Concept(self.scheme, id, _class_name(id)) for id in own))


def path_building(directory: Path, name: str) -> PathBuilding:
    """Return the path-style points of one of PATH_BUILDINGS. Raises TrainingDataMissing."""
    if name == "Soda":
        return _soda_hall(directory)
    points = building(directory, name)
    paths = _sdh_paths(points.tags) if name == "SDH" else _uva_paths(directory, points.tags)
    return PathBuilding(
        name, Scheme.BUILDING_POINT, _first(zip(paths, points.concepts, strict=True))
    )


def _sdh_paths(tags: Iterable[str]) -> Iterable[str]:
    """Yield the path of each point of SDH: site, equipment, point."""
    for tag in tags:
        match = _SDH_POINT.fullmatch(tag)
        if match is None:
            yield tag
            continue
        equipment = match["equipment"]
        for pattern, usual_name in _SDH_EQUIPMENT:
            equipment = (
                pattern.sub(usual_name, equipment) if pattern.fullmatch(equipment) else equipment
            )
        yield _join(["sdh", equipment, *match["point"].split(":")])


def _uva_paths(directory: Path, tags: Iterable[str]) -> Iterable[str]:
    """Yield the path of each point of UVA: site, air handler, floor, zone, room, point."""
    text = read_training_set(directory, ROOMS).decode("utf-8-sig")
    places = {row["original label"]: row for row in csv.DictReader(io.StringIO(text))}
    for tag in tags:
        row = places[tag]
        parents = [f"{word} {row[column]}" for column, word in _UVA_COLUMNS if row[column]]
        yield _join(["rice hall", *parents, _UVA_PLACES.sub(" ", tag)])


def _soda_hall(directory: Path) -> PathBuilding:
    """Return the points of Soda Hall that have a place and a class of today's Brick."""
    text = gzip.decompress(read_training_set(directory, SODA)).decode()
    nodes = {match["name"]: match for match in _NODE.finditer(text)}
    owner_of_point, parent = _owners(nodes)
    points = [name for name in nodes if name in owner_of_point]
    paths = (
        _join(["soda hall", *_ancestors(owner_of_point[name], parent), _soda_point_name(name)])
        for name in points
    )
    classes = (f"{_BRICK}{nodes[name]['type']}" for name in points)
    return PathBuilding("Soda", Scheme.BRICK, _first(zip(paths, classes, strict=True)))


def _first(labelled: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return the concept of each path; of a path that several points have, the first one's."""
    concept_by_tag: dict[str, str] = {}
    for tag, concept in labelled:
        concept_by_tag.setdefault(tag, concept)
    return MappingProxyType(concept_by_tag)


def _class_name(id: str) -> str:
    """Return the name of a Brick class by its id."""
    return id.rpartition("#")[2].replace("_", " ")


def _owners(nodes: Mapping[str, re.Match[str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the equipment or floor of each point, and the parent of each equipment."""
    owner_of_point: dict[str, str] = {}
    parent: dict[str, str] = {}
    for name, node in nodes.items():
        for relation in _RELATION.finditer(node["body"]):
            objects = _OBJECT.findall(relation["objects"])
            if relation["relation"] == "hasPoint":
                owner_of_point.update(dict.fromkeys(objects, name))
            elif relation["relation"] in _PARENT_RELATIONS:
                parent.update(dict.fromkeys(objects, name))
            elif relation["relation"] == "hasLocation":
                owner_of_point[name] = objects[0]
    return owner_of_point, parent


def _ancestors(name: str, parent: Mapping[str, str]) -> list[str]:
    """Return the chain of equipment from the outermost to `name`, with spaces in the names."""
    chain = [name]
    while chain[0] in parent:
        chain.insert(0, parent[chain[0]])
    return [each.replace("_", " ") for each in chain]


def _soda_point_name(name: str) -> str:
    """Return the name of a point without the names of its owner and of the building."""
    return _SODA_OWNER.sub(" ", name).replace("_", " ")


def _join(segments: Iterable[str]) -> str:
    """Join the segments of a path that are not empty."""
    named = (" ".join(segment.split()) for segment in segments)
    return _SEPARATOR.join(segment for segment in named if segment)
