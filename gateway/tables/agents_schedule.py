"""Tables of agents that schedule pumps: basis of plans, learned schedules, and savings by day."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class SchedulePolicyStatus(StrEnum):
    """What became of a learned schedule.

    queued, learning: its training. failed: nothing could be learned. rejected: it was not better.
    shadow: it decides without acting. active: it decides. retired: replaced by another one.
    rolled_back: it was taken back by a person, or because it cost more.
    """

    QUEUED = "queued"
    LEARNING = "learning"
    FAILED = "failed"
    REJECTED = "rejected"
    SHADOW = "shadow"
    ACTIVE = "active"
    RETIRED = "retired"
    ROLLED_BACK = "rolled_back"


class AgentSchedule(SQLModel, table=True):
    """What the plans of an agent rest on: expected demand, shield and pumps of the last days."""

    __tablename__ = "agent_schedule"

    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), primary_key=True)
    )
    account_id: UUID = Field(foreign_key="account.id", index=True)
    basis: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    updated_at: datetime = Field(sa_column=moment())


class AgentSchedulePolicy(SQLModel, table=True):
    """A learned schedule of an agent.

    `file` is bound to account, asset and installation, `sha256` its hash. `pumps` are flow and
    power as the log shows them. `report` has coverage and evaluation, `error` what was missing.
    `process_id` is the process that learns it, `decided_by` who promoted it or took it back.
    """

    __tablename__ = "agent_schedule_policy"
    __table_args__ = (
        CheckConstraint(
            "status in ('queued', 'learning', 'failed', 'rejected', 'shadow', 'active', "
            "'retired', 'rolled_back')",
            name="status",
        ),
        Index(
            "uq_agent_schedule_policy_active",
            "agent_id",
            unique=True,
            postgresql_where=text("status = 'active'"),
        ),
        Index(
            "uq_agent_schedule_policy_open",
            "agent_id",
            unique=True,
            postgresql_where=text("status in ('queued', 'learning')"),
        ),
        Index("ix_agent_schedule_policy_agent_id_id", "agent_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), nullable=False)
    )
    asset_id: UUID = Field(foreign_key="plant_asset.id")
    version: int
    status: str = Field(sa_column=Column(Text, nullable=False))
    days: int
    until: datetime = Field(sa_column=moment())
    attempts: int = 0
    process_id: UUID | None = None
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    file: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    sha256: str | None = Field(default=None, sa_column=Column(Text))
    pumps: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    report: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    error: str | None = Field(default=None, sa_column=Column(Text))
    created_by: str | None = Field(default=None, sa_column=Column(Text))
    decided_by: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())
    shadow_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    active_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class AgentScheduleDay(SQLModel, table=True):
    """A local day of operation: what it cost, and what two-level control would have cost.

    Costs are in nano-units of the tariff's currency, by the same flows, powers and prices; savings
    include the water that is left in the tank. `policy_id` decided on that day, None for two-level
    control. `shadow_id` is the schedule that was replayed beside. `reason` says why a day without
    figures has none.
    """

    __tablename__ = "agent_schedule_day"

    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), primary_key=True)
    )
    day: date = Field(sa_column=Column(Date, primary_key=True))
    account_id: UUID = Field(foreign_key="account.id", index=True)
    currency: str = Field(sa_column=Column(Text, nullable=False))
    policy_id: UUID | None = None
    shadow_id: UUID | None = None
    reason: str | None = Field(default=None, sa_column=Column(Text))
    cost_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    baseline_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    saved_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    shadow_saved_nano: int | None = Field(default=None, sa_column=Column(BigInteger))
    demand_m3: float = 0.0
    violations: int = 0
    baseline_violations: int = 0
