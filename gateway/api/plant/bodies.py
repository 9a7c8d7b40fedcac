"""Request bodies of the plant model."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    DataType,
    Entity,
    EntityKind,
    Node,
    NodeKind,
    Point,
    Property,
)
from gateway.plant.predictions.model_inputs import MAX_INPUTS
from gateway.plant.store.mappings import Confirmation

PATH = "/v1/plant"
Text = Annotated[str, msgspec.Meta(max_length=4_000)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class PropertyBody(Struct):
    """A property: text, unit, and the id of its definition (`semantic_id`)."""

    value: Text
    unit: Text = ""
    semantic_id: Text = ""


class ConceptBody(Struct):
    """A concept by scheme (`brick`, `building-point`, `aas`, `own`) and id."""

    id: Text
    scheme: Text = "brick"

    def to_value(self) -> Concept:
        """Return the concept."""
        return Concept(self.scheme, self.id)


class AssetRequest(Struct):
    """A new asset. `parent` is the id or code of the asset that it is a part of."""

    code: Text
    name: Text = ""
    level: AssetLevel = AssetLevel.EQUIPMENT
    parent: Text | None = None
    types: dict[Text, Text] = msgspec.field(default_factory=dict)
    properties: dict[Text, PropertyBody] = msgspec.field(default_factory=dict)
    global_id: Text | None = None

    def to_value(self) -> Asset:
        """Return the asset; without a name it is named by its code."""
        return Asset(
            self.code, self.name or self.code, self.level, self.parent, self.types,
            properties_of(self.properties), self.global_id,
        )  # fmt: skip


class AssetChangeRequest(Struct):
    """Fields of an asset to change; omitted ones stay. `parent` null moves it to the top."""

    code: Text | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    level: AssetLevel | UnsetType = UNSET
    parent: Text | UnsetType | None = UNSET
    types: dict[Text, Text] | UnsetType = UNSET
    properties: dict[Text, PropertyBody] | UnsetType = UNSET
    global_id: Text | UnsetType | None = UNSET


class PointRequest(Struct):
    """A new point. `asset` is the id or code of its asset; a concept counts as confirmed."""

    tag: Text
    name: Text = ""
    asset: Text | None = None
    unit: Text = ""
    data_type: DataType = DataType.NUMBER
    low: float | None = None
    high: float | None = None
    concept: ConceptBody | None = None

    def to_value(self) -> Point:
        """Return the point."""
        concept = None if self.concept is None else self.concept.to_value()
        return Point(
            self.tag, self.name, self.asset, self.unit, self.data_type, self.low, self.high, concept
        )


class PointChangeRequest(Struct):
    """Fields of a point to change; omitted ones are unchanged, null removes a value."""

    tag: Text | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    asset: Text | UnsetType | None = UNSET
    unit: Text | UnsetType = UNSET
    data_type: DataType | UnsetType = UNSET
    low: float | UnsetType | None = UNSET
    high: float | UnsetType | None = UNSET
    concept: ConceptBody | UnsetType | None = UNSET


class PointReplacementRequest(Struct):
    """What differs in the new point that replaces one under the same tag."""

    name: Text | UnsetType = UNSET
    asset: Text | UnsetType | None = UNSET
    unit: Text | UnsetType = UNSET
    data_type: DataType | UnsetType = UNSET
    low: float | UnsetType | None = UNSET
    high: float | UnsetType | None = UNSET


class MappingBody(Struct):
    """A point by id, and its concept; without one the proposed concept is confirmed.

    `unit` and `asset` (id or code) are set too if they are stated.
    """

    point: Text
    concept: ConceptBody | None = None
    unit: Text | None = None
    asset: Text | None = None

    def to_value(self) -> Confirmation:
        """Return the confirmation."""
        concept = None if self.concept is None else self.concept.to_value()
        return Confirmation(self.point, concept, self.unit, self.asset)


class MappingsRequest(Struct):
    """Points to confirm or correct, at most 1,000."""

    mappings: Annotated[list[MappingBody], msgspec.Meta(max_length=1_000)]


class EntityRequest(Struct):
    """A new entity, such as a material or a failure mode."""

    kind: EntityKind
    code: Text
    name: Text = ""
    properties: dict[Text, PropertyBody] = msgspec.field(default_factory=dict)

    def to_value(self) -> Entity:
        """Return the entity."""
        return Entity(self.kind, self.code, self.name, properties_of(self.properties))


class EntityChangeRequest(Struct):
    """Fields of an entity to change; omitted ones are unchanged."""

    code: Text | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    properties: dict[Text, PropertyBody] | UnsetType = UNSET


class NodeBody(Struct):
    """A node by kind, and its id, code or tag."""

    kind: NodeKind
    id: Text

    def to_value(self) -> Node:
        """Return the node."""
        return Node(self.kind, self.id)


class RelationRequest(Struct):
    """A statement about two nodes, with a confidence from 0 to 1."""

    subject: NodeBody
    predicate: Text
    target: NodeBody
    confidence: float = 1.0


class MappedInputBody(Struct, forbid_unknown_fields=True):
    """Points of an input: a `concept` by id, or a `tag`, in which `{asset}` is the asset's code."""

    concept: Key | None = None
    tag: Key | None = None


class ModelInputsRequest(Struct):
    """What the inputs of a model are mapped to; those that are left out are no longer mapped."""

    inputs: Annotated[dict[Key, MappedInputBody], msgspec.Meta(max_length=MAX_INPUTS)]


BODIES: Mapping[str, type[Struct]] = {
    f"{PATH}/models/{{model}}/inputs": ModelInputsRequest,
    f"{PATH}/assets": AssetRequest,
    f"{PATH}/assets/{{asset}}": AssetChangeRequest,
    f"{PATH}/points": PointRequest,
    f"{PATH}/points/{{point}}": PointChangeRequest,
    f"{PATH}/points/{{point}}/replace": PointReplacementRequest,
    f"{PATH}/mappings": MappingsRequest,
    f"{PATH}/entities": EntityRequest,
    f"{PATH}/entities/{{entity}}": EntityChangeRequest,
    f"{PATH}/relations": RelationRequest,
}


def properties_of(bodies: Mapping[str, PropertyBody]) -> dict[str, Property]:
    """Return properties from a body."""
    return {name: Property(one.value, one.unit, one.semantic_id) for name, one in bodies.items()}


def changes_of(body: Struct) -> dict[str, Any]:
    """Return the fields that a body states, as values."""
    stated = {
        field: getattr(body, field)
        for field in body.__struct_fields__
        if getattr(body, field) is not UNSET
    }
    if "properties" in stated:
        stated["properties"] = properties_of(stated["properties"])
    if isinstance(stated.get("concept"), ConceptBody):
        stated["concept"] = stated["concept"].to_value()
    return stated
