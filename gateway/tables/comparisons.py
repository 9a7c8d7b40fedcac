"""Comparison table: models that are compared on a table with known results.

Neither the rows of the table nor the predictions are stored, only the figures.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class ModelComparison(SQLModel, table=True):
    """A comparison of `models`, the first with each other one, on the rows of a file.

    `models` pin versions. `options` are the request's fields that say how to read the table.
    `key_id` is the API key that pays, `process_id` the gateway process that runs it. `status` is an
    EvaluationStatus. `report` has the figures once it is completed.
    """

    __tablename__ = "model_comparison"
    __table_args__ = (
        Index("ix_model_comparison_account_id_id", "account_id", "id"),
        Index(
            "ix_model_comparison_open",
            "id",
            postgresql_where=text("status in ('queued', 'in_progress')"),
        ),
        CheckConstraint("max_cost_nano >= 0 and quoted_nano >= 0 and cost_nano >= 0", name="costs"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    key_id: UUID = Field(foreign_key="api_key.id")
    name: str = Field(sa_column=Column(Text, nullable=False))
    models: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    file_id: UUID
    options: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    rows: int
    max_cost_nano: int | None = Field(default=None, sa_column=Column(BigInteger))
    quoted_nano: int = Field(sa_column=Column(BigInteger, nullable=False))
    cost_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    report: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    process_id: UUID | None = None
    attempts: int = 0
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    created_at: datetime = Field(sa_column=moment())
    finished_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
