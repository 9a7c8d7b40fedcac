"""The submodel Hierarchical Structures enabling Bills of Material (IDTA 02011-1-1) of an asset."""

from collections.abc import Sequence

import aas_core3.types as aas

from gateway.plant.assets.values import Asset
from gateway.plant.formats.aas.elements import (
    semantic_id,
    submodel,
    submodel_reference,
    text_property,
)
from gateway.plant.formats.aas.identifiers import Namespace
from gateway.plant.formats.aas.semantics import (
    ARCHETYPE,
    ENTRY_NODE,
    HAS_PART,
    PART_NODE,
    STRUCTURE,
)
from gateway.plant.formats.aas.texts import IdShorts

KIND = "structure"
_ENTITY = aas.KeyTypes.ENTITY


def build_structure(
    asset: Asset, parts: Sequence[Asset], namespace: Namespace
) -> aas.Submodel | None:
    """Return the parts of an asset, one level down; None if it has none."""
    if not parts:
        return None
    identifier = namespace.submodel(KIND, asset.code)
    names = IdShorts("EntryNode")
    statements: list[aas.SubmodelElement] = []
    for number, part in enumerate(parts, 1):
        short = names.add(part.code)
        statements.append(_node(short, PART_NODE, part, namespace))
        statements.append(_has_part(number, identifier, short))
    entry = _node("EntryNode", ENTRY_NODE, asset, namespace)
    entry.statements = statements
    elements: list[aas.SubmodelElement] = [
        text_property("ArcheType", "OneDown", ARCHETYPE),
        entry,
    ]
    return submodel(identifier, "HierarchicalStructures", STRUCTURE, elements)


def global_asset_id(asset: Asset, namespace: Namespace) -> str:
    """Return the global id of an asset, one made from its code if it has none."""
    return asset.global_id or namespace.asset(asset.code)


def _node(short: str, semantics: str, asset: Asset, namespace: Namespace) -> aas.Entity:
    """Return the entity that stands for an asset."""
    return aas.Entity(
        aas.EntityType.SELF_MANAGED_ENTITY,
        id_short=short,
        semantic_id=semantic_id(semantics),
        global_asset_id=global_asset_id(asset, namespace),
    )


def _has_part(number: int, identifier: str, short: str) -> aas.RelationshipElement:
    """Return the relationship between the entry node and the node of a part."""
    entry = (_ENTITY, "EntryNode")
    return aas.RelationshipElement(
        submodel_reference(identifier, entry),
        submodel_reference(identifier, entry, (_ENTITY, short)),
        id_short=f"HasPart_{number}",
        semantic_id=semantic_id(HAS_PART),
    )
