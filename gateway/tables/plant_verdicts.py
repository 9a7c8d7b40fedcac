"""The table of specialists' verdicts on assets."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Index, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class PlantVerdict(SQLModel, table=True):
    """A specialist's prediction for an asset at an instant.

    `inputs` are the reported inputs with origin, point, unit and age. The price is in the usage row
    of `request_id`.
    """

    __tablename__ = "plant_verdict"
    __table_args__ = (
        UniqueConstraint("request_id"),
        Index("ix_plant_verdict_asset_id", "asset_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    asset_id: UUID = Field(foreign_key="plant_asset.id")
    request_id: UUID
    model: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=moment())
    created_at: datetime = Field(sa_column=moment())
    prediction: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    inputs: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
