"""Terms of Brick and of related vocabularies, and what its class names say about an entity."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from gateway.plant.assets.values import AssetLevel

BRICK = "https://brickschema.org/schema/Brick#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
XSD = "http://www.w3.org/2001/XMLSchema#"
OWL = "http://www.w3.org/2002/07/owl#"
QUDT = "http://qudt.org/schema/qudt/"
UNIT = "http://qudt.org/vocab/unit/"
REF = "https://brickschema.org/schema/Brick/ref#"
# What Brick has no term for: other tools ignore it, our own importer reads it.
PLANT = "urn:maas:plant#"
ASSET_PREFIX = "urn:maas:asset:"
POINT_PREFIX = "urn:maas:point:"

# Predicate of relations by Brick's property; inverse properties swap subject and object.
RELATIONS: Mapping[str, str] = MappingProxyType(
    {
        "feeds": "feeds",
        "controls": "controls",
        "meters": "meters",
        "regulates": "regulates",
        "hasLocation": "located_in",
        "isPartOf": "part_of",
        "hasPoint": "has_point",
    }
)
INVERSES: Mapping[str, str] = MappingProxyType(
    {
        "isFedBy": "feeds",
        "isControlledBy": "controls",
        "isMeteredBy": "meters",
        "isRegulatedBy": "regulates",
        "isLocationOf": "hasLocation",
        "hasPart": "isPartOf",
        "isPointOf": "hasPoint",
    }
)
_VERSIONED = re.compile(r"https?://brickschema\.org/schema/(?:\d[\w.]*/)?Brick(?:Frame)?#")
_POINT = re.compile(r"(?:.*_)?(?:Sensor|Setpoint|Command|Alarm|Status|Parameter|Limit|Point)")
# Classes of equipment whose names end like those of points.
_EQUIPMENT = frozenset({"Fire_Alarm", "Access_Control_Equipment", "Set_Point_Equipment"})
GENERIC = frozenset({"Entity", "Class", "Equipment", "Location", "System", "Point", "Collection"})
_LEVELS: Mapping[str, AssetLevel] = MappingProxyType(
    {
        "Portfolio": AssetLevel.ENTERPRISE,
        "Region": AssetLevel.ENTERPRISE,
        "Site": AssetLevel.SITE,
        "Building": AssetLevel.SITE,
        "Wing": AssetLevel.AREA,
        "Floor": AssetLevel.AREA,
        "Storey": AssetLevel.AREA,
        "Basement": AssetLevel.AREA,
        "Rooftop": AssetLevel.AREA,
        "Outdoor_Area": AssetLevel.AREA,
    }
)
_WORK_CENTER = re.compile(r"(?:.*_)?(?:Room|Space|Zone|Location|Lobby|Hallway|Office)")
_WORK_UNIT = re.compile(r"(?:.*_)?(?:System|Loop)")


def brick_name(iri: str) -> str:
    """Return the local name of a term of Brick in any of its versions, or an empty text."""
    match = _VERSIONED.match(iri)
    return iri[match.end() :] if match else ""


def is_point_class(name: str) -> bool:
    """Return whether a class of this name is a class of points."""
    return name not in _EQUIPMENT and _POINT.fullmatch(name) is not None


def is_zone_class(name: str) -> bool:
    """Return whether a class of this name groups rooms that are part of something else."""
    return name == "Zone" or name.endswith("_Zone")


def usual_level(name: str) -> AssetLevel:
    """Return the usual level of an asset of this class in ISA-95's hierarchy."""
    if level := _LEVELS.get(name):
        return level
    if _WORK_CENTER.fullmatch(name):
        return AssetLevel.WORK_CENTER
    return AssetLevel.WORK_UNIT if _WORK_UNIT.fullmatch(name) else AssetLevel.EQUIPMENT
