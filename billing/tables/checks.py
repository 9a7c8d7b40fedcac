"""Table of reconciliation runs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class CheckRun(SQLModel, table=True):
    """A reconciliation run: the number of differences (`count`) and the first of them."""

    __tablename__ = "check_run"
    __table_args__ = (
        Index("ix_check_run_at", "at"),
        CheckConstraint("source in ('job', 'command')", name="source"),
    )

    id: UUID = Field(primary_key=True)
    at: datetime = Field(sa_column=moment())
    took_ms: int
    source: str = Field(sa_column=Column(Text, nullable=False))
    figures: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    count: int
    differences: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
