"""Tables of learned warning rules: the rule of an asset, and its trained versions."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class WarningVersionStatus(StrEnum):
    """What became of a version.

    queued, training: its training. failed: nothing could be learned. rejected: it is not shown to
    cost less than a fixed limit. ready: it can be used. active: it is used. retired: another one
    replaced it. rolled_back: a person took it back.
    """

    QUEUED = "queued"
    TRAINING = "training"
    FAILED = "failed"
    REJECTED = "rejected"
    READY = "ready"
    ACTIVE = "active"
    RETIRED = "retired"
    ROLLED_BACK = "rolled_back"


class LearnedWarning(SQLModel, table=True):
    """A warning rule of an account for an asset. settings: points, grid of time, horizon, costs."""

    __tablename__ = "learned_warning"
    __table_args__ = (
        Index(
            "uq_learned_warning_name",
            "account_id",
            "name",
            unique=True,
            postgresql_where=text("deleted_at is null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    asset_id: UUID = Field(foreign_key="plant_asset.id")
    name: str = Field(sa_column=Column(Text, nullable=False))
    settings: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    versions: int = 0
    created_by: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())
    deleted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class LearnedWarningVersion(SQLModel, table=True):
    """A training of a warning rule and what it came to.

    `events` are the times that it was asked to learn from, `start_at` and `end_at` the period of
    readings. `file` is bound to account and asset, `sha256` its hash. `report` has the evaluation,
    `error` what was missing. `accepted_by` is who used it although it is not shown to be better.
    """

    __tablename__ = "learned_warning_version"
    __table_args__ = (
        CheckConstraint(
            "status in ('queued', 'training', 'failed', 'rejected', 'ready', 'active', "
            "'retired', 'rolled_back')",
            name="status",
        ),
        Index("uq_learned_warning_version_number", "warning_id", "version", unique=True),
        Index(
            "uq_learned_warning_version_active",
            "warning_id",
            unique=True,
            postgresql_where=text("status = 'active'"),
        ),
        Index(
            "uq_learned_warning_version_open",
            "warning_id",
            unique=True,
            postgresql_where=text("status in ('queued', 'training')"),
        ),
    )

    id: UUID = Field(primary_key=True)
    warning_id: UUID = Field(
        sa_column=Column(ForeignKey("learned_warning.id", ondelete="cascade"), nullable=False)
    )
    account_id: UUID = Field(foreign_key="account.id", index=True)
    version: int
    status: str = Field(sa_column=Column(Text, nullable=False))
    events: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    start_at: datetime = Field(sa_column=moment())
    end_at: datetime = Field(sa_column=moment())
    attempts: int = 0
    process_id: UUID | None = None
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    file: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    sha256: str | None = Field(default=None, sa_column=Column(Text))
    report: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    error: str | None = Field(default=None, sa_column=Column(Text))
    created_by: str | None = Field(default=None, sa_column=Column(Text))
    decided_by: str | None = Field(default=None, sa_column=Column(Text))
    accepted_by: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())
    trained_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    active_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
