"""Load the active plant model of an account from its tables."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    Concept,
    DataType,
    PlantModel,
    Point,
    Property,
)
from gateway.tables.plant import PlantAsset, PlantPoint


async def load_model(session: AsyncSession, account_id: UUID) -> PlantModel:
    """Return the active assets and points of an account."""
    assets = select(PlantAsset).where(
        col(PlantAsset.account_id) == account_id, col(PlantAsset.retired_at).is_(None)
    )
    points = select(PlantPoint).where(
        col(PlantPoint.account_id) == account_id, col(PlantPoint.retired_at).is_(None)
    )
    asset_rows = list(await session.scalars(assets.order_by(col(PlantAsset.id))))
    codes = {row.id: row.code for row in asset_rows}
    return PlantModel(
        tuple(_asset(row, codes) for row in asset_rows),
        tuple(_point(row, codes) for row in await session.scalars(points)),
    )


def _asset(row: PlantAsset, codes: Mapping[UUID, str]) -> Asset:
    """Return the asset of a row; `codes` are those of the active assets by id."""
    parent = None if row.parent_id is None else codes.get(row.parent_id)
    properties = {name: _property(value) for name, value in row.properties.items()}
    level = AssetLevel(row.level)
    return Asset(row.code, row.name, level, parent, row.types, properties, row.global_id)


def _property(stored: Mapping[str, Any]) -> Property:
    """Return a property from its column."""
    return Property(stored["value"], stored.get("unit", ""), stored.get("semantic_id", ""))


def _point(row: PlantPoint, codes: Mapping[UUID, str]) -> Point:
    """Return the point of a row; only a confirmed concept is part of the model."""
    is_confirmed = row.mapping_status == "confirmed"
    return Point(
        row.tag,
        row.name,
        None if row.asset_id is None else codes.get(row.asset_id),
        row.unit,
        DataType(row.data_type),
        row.low,
        row.high,
        Concept(row.concept_scheme, row.concept_id) if is_confirmed else None,
    )
