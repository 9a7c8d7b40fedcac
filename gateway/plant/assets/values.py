"""Values of the plant model, independent of database and file formats.

`PlantModel` is what every importer returns and every exporter takes. Keys are the customer's own:
an asset has a `code`, a point a `tag`, and both are unique within an account.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class AssetLevel(StrEnum):
    """Levels of the role-based equipment hierarchy of ISA-95, and parts of equipment."""

    ENTERPRISE = "enterprise"
    SITE = "site"
    AREA = "area"
    WORK_CENTER = "work_center"
    WORK_UNIT = "work_unit"
    EQUIPMENT = "equipment"
    COMPONENT = "component"

    @property
    def rank(self) -> int:
        """0 for an enterprise, 6 for a component."""
        return tuple(AssetLevel).index(self)

    def may_contain(self, child: "AssetLevel") -> bool:
        """Return whether an asset of this level may be the parent of one of the child's level.

        Levels may be left out. Equipment and components may nest.
        """
        nested = child is self and self.rank >= AssetLevel.EQUIPMENT.rank
        return nested or child.rank > self.rank


class DataType(StrEnum):
    """Types of a point's values."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


class MappingStatus(StrEnum):
    """Who chose the concept of a point: nobody, a model, or a person."""

    UNMAPPED = "unmapped"
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"


class EntityKind(StrEnum):
    """Kinds of nodes that are neither assets nor points."""

    MATERIAL = "material"
    ORDER = "order"
    FAILURE_MODE = "failure_mode"
    CAUSE = "cause"
    EFFECT = "effect"
    REMEDY = "remedy"
    DOCUMENT = "document"
    WORK_ORDER = "work_order"
    FMEA_ITEM = "fmea_item"


class NodeKind(StrEnum):
    """Kinds of nodes that relations connect."""

    ASSET = "asset"
    POINT = "point"
    MATERIAL = "material"
    ORDER = "order"
    FAILURE_MODE = "failure_mode"
    CAUSE = "cause"
    EFFECT = "effect"
    REMEDY = "remedy"
    DOCUMENT = "document"
    WORK_ORDER = "work_order"
    FMEA_ITEM = "fmea_item"


class Source(StrEnum):
    """Where a row of the plant model came from."""

    MANUAL = "manual"
    CSV = "csv"
    EXCEL = "excel"
    BRICK = "brick"
    AAS = "aas"
    NODESET = "nodeset"
    MODEL = "model"


@dataclass(frozen=True)
class Property:
    """A nameplate or technical value: text as written, its unit, and the id of its definition."""

    value: str
    unit: str = ""
    semantic_id: str = ""


@dataclass(frozen=True)
class Concept:
    """A concept by its scheme (`brick`, `building-point`, `aas`, `own`) and id."""

    scheme: str
    id: str


@dataclass(frozen=True)
class Asset:
    """An asset. `types` maps `brick`, `iso14224` or `eclass` to a class id of that scheme."""

    code: str
    name: str
    level: AssetLevel
    parent: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Property] = field(default_factory=dict)
    global_id: str | None = None


@dataclass(frozen=True)
class Point:
    """A point of the asset with code `asset`. `low` and `high` bound plausible values in `unit`."""

    tag: str
    name: str = ""
    asset: str | None = None
    unit: str = ""
    data_type: DataType = DataType.NUMBER
    low: float | None = None
    high: float | None = None
    concept: Concept | None = None


@dataclass(frozen=True)
class Entity:
    """A node of another kind, with a code that is unique within the kind."""

    kind: EntityKind
    code: str
    name: str = ""
    properties: Mapping[str, Property] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A reference to a node by its kind and code (assets, entities) or tag (points)."""

    kind: NodeKind
    code: str


@dataclass(frozen=True)
class Relation:
    """A statement about two nodes. `predicate` is a term such as `feeds` or `caused_by`."""

    subject: Node
    predicate: str
    object: Node
    confidence: float = 1.0


@dataclass(frozen=True)
class PlantModel:
    """Assets, points, entities and relations of one account or one file."""

    assets: tuple[Asset, ...] = ()
    points: tuple[Point, ...] = ()
    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
