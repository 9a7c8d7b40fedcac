"""The tables of specialists' verdicts on assets, and of models' inputs by concept or tag."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class PlantVerdict(SQLModel, table=True):
    """A specialist's prediction for an asset at an instant.

    `inputs` are the reported inputs with origin, point, unit and age. The price is in the usage row
    of `request_id`. `decision_record_id` is set for verdicts of conversations. `finding` is the
    prediction in one line (models/findings/summary.py), empty for old verdicts.
    """

    __tablename__ = "plant_verdict"
    __table_args__ = (
        UniqueConstraint("request_id"),
        Index("ix_plant_verdict_asset_id", "asset_id", "id"),
        Index("ix_plant_verdict_created_at", "account_id", "created_at"),
        Index("ix_plant_verdict_account_id_id", "account_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    asset_id: UUID = Field(foreign_key="plant_asset.id")
    request_id: UUID
    model: str = Field(sa_column=Column(Text, nullable=False))
    version: str = Field(sa_column=Column(Text, nullable=False, server_default=text("''")))
    decision_record_id: UUID | None = None
    at: datetime = Field(sa_column=moment())
    created_at: datetime = Field(sa_column=moment())
    prediction: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    inputs: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    finding: dict[str, Any] = Field(
        sa_column=Column(JSONB, nullable=False, server_default=text("'{}'"))
    )


class PlantModelInput(SQLModel, table=True):
    """Which points are an input of a model: those of a concept, or that with a tag.

    `tag` may contain `{asset}`, which stands for the asset's code. Exactly one of both is set.
    """

    __tablename__ = "plant_model_input"
    __table_args__ = (
        CheckConstraint(
            "(concept_id = '') <> (tag = '')", name="ck_plant_model_input_concept_or_tag"
        ),
    )

    account_id: UUID = Field(foreign_key="account.id", primary_key=True)
    model: str = Field(sa_column=Column(Text, primary_key=True))
    input: str = Field(sa_column=Column(Text, primary_key=True))
    concept_id: str = Field(sa_column=Column(Text, nullable=False))
    tag: str = Field(sa_column=Column(Text, nullable=False))
    changed_at: datetime = Field(sa_column=moment())
