"""Tables of observed results: what a customer reports about predictions of own models.

A prediction is stored only with the result that belongs to it, its inputs only with consent.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


def _version(primary_key: bool = False) -> Column[UUID]:
    """Return the column that names a version of a variant."""
    return Column(
        ForeignKey("variant.id", ondelete="cascade"), primary_key=primary_key, nullable=False
    )


class Observation(SQLModel, table=True):
    """The observed result of one row of a call, beside the prediction: numbers, or classes.

    `lower`, `upper` and `level` are the interval of a predicted number, `probability` that of a
    predicted class. `predicted_at` is the time of the call. `inputs` are the row's, by column, None
    without the customer's consent to train the model on it.
    """

    __tablename__ = "observation"
    __table_args__ = (
        Index("ix_observation_variant_id_predicted_at", "variant_id", "predicted_at"),
        Index("ix_observation_created_at", "created_at"),
        CheckConstraint(
            "(predicted_number is null) = (observed_number is null) and "
            "(predicted_class is null) = (observed_class is null) and "
            "(predicted_number is null) <> (predicted_class is null)",
            name="kind",
        ),
    )

    account_id: UUID = Field(foreign_key="account.id", primary_key=True)
    request_id: UUID = Field(primary_key=True)
    row: int = Field(primary_key=True)
    variant_id: UUID = Field(sa_column=_version())
    predicted_number: float | None = None
    observed_number: float | None = None
    predicted_class: str | None = Field(default=None, sa_column=Column(Text))
    observed_class: str | None = Field(default=None, sa_column=Column(Text))
    lower: float | None = None
    upper: float | None = None
    level: float | None = None
    probability: float | None = None
    machine: str = Field(default="", sa_column=Column(Text, nullable=False))
    inputs: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    predicted_at: datetime = Field(sa_column=moment())
    created_at: datetime = Field(sa_column=moment())


class VariantPromise(SQLModel, table=True):
    """Whether a version keeps what its intervals or probabilities promise, by its last check.

    `kept` is None while there are too few observed results.
    """

    __tablename__ = "variant_promise"

    variant_id: UUID = Field(sa_column=_version(primary_key=True))
    account_id: UUID = Field(foreign_key="account.id", index=True)
    kept: bool | None = None
    checked_at: datetime = Field(sa_column=moment())
