"""Tables of scheduled retraining: a schedule per own model, and what each of its runs came to."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class RetrainingTrigger(StrEnum):
    """When a model is trained again."""

    WEEK = "week"
    MONTH = "month"
    DRIFT = "drift"
    CONFIRMATIONS = "confirmations"


class RetrainingStatus(StrEnum):
    """What a run came to: its version is in use, proposed or rejected, or none was trained."""

    STARTED = "started"
    ACTIVATED = "activated"
    PROPOSED = "proposed"
    REJECTED = "rejected"
    FAILED = "failed"
    SKIPPED = "skipped"


class RetrainingSchedule(SQLModel, table=True):
    """When an own model is trained again, on which file, and for how much money a month.

    The file is `file_id`, or the newest one called `filename`. `key_id` is the API key that pays.
    `automatic`: a better version is used at once. `with_observations`: observed results are
    appended to the file. `next_at` is None for the trigger `drift`, and for `confirmations` until
    enough mappings of plant points were confirmed.
    """

    __tablename__ = "retraining_schedule"
    __table_args__ = (
        UniqueConstraint("account_id", "base", "name"),
        CheckConstraint("every in ('week', 'month', 'drift', 'confirmations')", name="every"),
        CheckConstraint("(file_id is null) <> (filename is null)", name="source"),
        CheckConstraint(
            "every = 'confirmations' or (next_at is null) = (every = 'drift')", name="next"
        ),
        CheckConstraint("budget_nano > 0", name="budget"),
        Index("ix_retraining_schedule_next_at", "next_at"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    base: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    key_id: UUID = Field(foreign_key="api_key.id")
    every: str = Field(sa_column=Column(Text, nullable=False))
    file_id: UUID | None = None
    filename: str | None = Field(default=None, sa_column=Column(Text))
    budget_nano: int = Field(sa_column=Column(BigInteger, nullable=False))
    automatic: bool = False
    with_observations: bool = Field(
        default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false"))
    )
    next_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    changed_by: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())


class RetrainingRun(SQLModel, table=True):
    """One run of a schedule, named by what triggered it: the due time, or a version that drifted.

    `max_cost_nano` is what its job may cost at most, 0 if none was created. `code` says why there
    is no new version, or why it is not in use.
    """

    __tablename__ = "retraining_run"
    __table_args__ = (
        UniqueConstraint("schedule_id", "trigger"),
        Index("ix_retraining_run_started", "id", postgresql_where=text("status = 'started'")),
        CheckConstraint("max_cost_nano >= 0", name="cost"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    schedule_id: UUID = Field(
        sa_column=Column(ForeignKey("retraining_schedule.id", ondelete="cascade"), nullable=False)
    )
    trigger: str = Field(sa_column=Column(Text, nullable=False))
    job_id: UUID | None = None
    status: str = Field(sa_column=Column(Text, nullable=False))
    code: str | None = Field(default=None, sa_column=Column(Text))
    version: int | None = None
    max_cost_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    finished_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
