"""Drift tables: the reference of each version of a variant, and the counts of its calls by hour.

Only counts are stored: no input or prediction of a call.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


def _version() -> Column[UUID]:
    """Return the column that names a version of a variant."""
    return Column(ForeignKey("variant.id", ondelete="cascade"), primary_key=True)


class VariantDrift(SQLModel, table=True):
    """The distributions of a version in training (models/drift/reference.py), and its drift level.

    `level` is that of the last check, `checked_at`; None before the first one.
    """

    __tablename__ = "variant_drift"
    __table_args__ = (
        CheckConstraint("level in ('none', 'moderate', 'significant')", name="level"),
    )

    variant_id: UUID = Field(sa_column=_version())
    account_id: UUID = Field(foreign_key="account.id", index=True)
    reference: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    level: str | None = Field(default=None, sa_column=Column(Text))
    checked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class VariantCount(SQLModel, table=True):
    """How many rows of the calls of one hour fell into each slot of a version's reference."""

    __tablename__ = "variant_count"
    __table_args__ = (Index("ix_variant_count_hour", "hour"),)

    variant_id: UUID = Field(sa_column=_version())
    hour: datetime = Field(sa_column=Column(moment().type, primary_key=True))
    account_id: UUID = Field(foreign_key="account.id", index=True)
    counts: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
