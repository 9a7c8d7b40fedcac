"""JSON of the rows of a plant model."""

from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.plant.assets.ids import ASSET, ENTITY, POINT, RELATION, format_optional
from gateway.plant.assets.units import unit_label
from gateway.plant.assets.values import NodeKind
from gateway.tables.plant import (
    PlantAsset,
    PlantEntity,
    PlantPoint,
    PlantPointMapping,
    PlantRelation,
)
from infra import ids


def asset_json(row: PlantAsset) -> dict[str, Any]:
    """Return an asset as JSON."""
    return {
        "id": ids.format_id(ASSET, row.id),
        "object": "plant.asset",
        "code": row.code,
        "name": row.name,
        "level": row.level,
        "parent": format_optional(ASSET, row.parent_id),
        "types": row.types,
        "properties": row.properties,
        "global_id": row.global_id,
        **_origin(row),
    }


def point_json(row: PlantPoint) -> dict[str, Any]:
    """Return a point as JSON, with its current mapping."""
    return {
        "id": ids.format_id(POINT, row.id),
        "object": "plant.point",
        "tag": row.tag,
        "name": row.name,
        "asset": format_optional(ASSET, row.asset_id),
        "unit": row.unit,
        "unit_label": unit_label(row.unit),
        "data_type": row.data_type,
        "low": row.low,
        "high": row.high,
        **_mapping(row),
        **_origin(row),
    }


def entity_json(row: PlantEntity) -> dict[str, Any]:
    """Return an entity as JSON."""
    return {
        "id": ids.format_id(ENTITY, row.id),
        "object": "plant.entity",
        "kind": row.kind,
        "code": row.code,
        "name": row.name,
        "properties": row.properties,
        **_origin(row),
    }


def relation_json(row: PlantRelation) -> dict[str, Any]:
    """Return a relation as JSON, with its nodes by kind and id."""
    return {
        "id": ids.format_id(RELATION, row.id),
        "object": "plant.relation",
        "subject": {"kind": row.subject_kind, "id": node_id(row.subject_kind, row.subject_id)},
        "predicate": row.predicate,
        "target": {"kind": row.object_kind, "id": node_id(row.object_kind, row.object_id)},
        "confidence": row.confidence,
        "source": row.source,
        "created_at": _seconds(row.created_at),
        "valid_from": _seconds(row.valid_from),
        "valid_to": _seconds(row.valid_to),
    }


def mapping_json(row: PlantPointMapping) -> dict[str, Any]:
    """Return an entry of the mapping history as JSON."""
    return {
        "object": "plant.point_mapping",
        "point": ids.format_id(POINT, row.point_id),
        "asset": format_optional(ASSET, row.asset_id),
        "unit": row.unit,
        **_mapping(row),
        "proposal": _kept_proposal(row),
        "actor": row.actor,
        "valid_from": _seconds(row.valid_from),
        "valid_to": _seconds(row.valid_to),
    }


def _kept_proposal(row: PlantPointMapping) -> dict[str, Any] | None:
    """Return what a model proposed beside the concept, None for other entries."""
    if row.proposal is None:
        return None
    asset = row.proposal.get("asset")
    asset_id = None if asset is None else ids.format_id(ASSET, UUID(asset))
    names = ("score", "unit", "unit_probability", "asset_probability")
    return {**{name: row.proposal.get(name) for name in names}, "asset": asset_id}


def node_id(kind: str, identity: Any) -> str:
    """Return the public id of a node by its kind."""
    prefixes = {NodeKind.ASSET.value: ASSET, NodeKind.POINT.value: POINT}
    return ids.format_id(prefixes.get(kind, ENTITY), identity)


def _mapping(row: PlantPoint | PlantPointMapping) -> dict[str, Any]:
    """Return the concept of a point, null if it is unmapped."""
    concept = {"scheme": row.concept_scheme, "id": row.concept_id} if row.concept_id else None
    return {
        "concept": concept,
        "probability": row.probability,
        "mapping_status": row.mapping_status,
    }


def _origin(row: PlantAsset | PlantPoint | PlantEntity) -> dict[str, Any]:
    """Return where a row came from, and when it was created, updated and retired."""
    return {
        "source": row.source,
        "created_at": _seconds(row.created_at),
        "updated_at": _seconds(row.updated_at),
        "retired_at": _seconds(row.retired_at),
    }


def _seconds(moment: datetime | None) -> int | None:
    """Return a moment in seconds since 1970, None without one."""
    return None if moment is None else int(moment.timestamp())
