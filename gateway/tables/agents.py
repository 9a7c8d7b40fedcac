"""Tables of agents: definition by version, ticks in which something happened, and actions."""

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
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment

# Of agents whose owner gets a daily report, and of ticks that recommended something.
HAS_DAILY_REPORT = "definition #>> '{recipients,daily_report}' <> ''"
RECOMMENDS = "assessment ->> 'action' <> 'wait'"


class AgentStatus(StrEnum):
    """Whether an agent ticks. stopped: by the platform, for the reason in `stop_code`."""

    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"
    DELETED = "deleted"


class AgentActionStatus(StrEnum):
    """What became of an action."""

    PROPOSED = "proposed"
    EXECUTED = "executed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNDONE = "undone"
    FAILED = "failed"


def _document() -> Column[Any]:
    return Column(JSONB, nullable=False)


class Agent(SQLModel, table=True):
    """An agent with its current definition and state.

    `key_id` is the API key that pays for its calls. `due_at` is the time of the next tick,
    `process_id` the process that works on one, `retry_at` when one that failed is repeated.
    `spent_*` is in nano-units, of `spent_day` and its month in UTC.
    """

    __tablename__ = "agent"
    __table_args__ = (
        CheckConstraint("status in ('active', 'paused', 'stopped', 'deleted')", name="status"),
        CheckConstraint("version > 0", name="version"),
        Index("ix_agent_due_at", "due_at", postgresql_where=text("status = 'active'")),
        Index("ix_agent_daily_report", "id", postgresql_where=text(HAS_DAILY_REPORT)),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    asset_id: UUID = Field(foreign_key="plant_asset.id", index=True)
    key_id: UUID = Field(foreign_key="api_key.id")
    name: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    stop_code: str | None = Field(default=None, sa_column=Column(Text))
    version: int
    definition: dict[str, Any] = Field(sa_column=_document())
    state: dict[str, Any] = Field(sa_column=_document())
    due_at: datetime = Field(sa_column=moment())
    process_id: UUID | None = None
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    failures: int = 0
    spent_day: date = Field(sa_column=Column(Date, nullable=False))
    spent_day_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    spent_month_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    ticked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())


class AgentVersion(SQLModel, table=True):
    """One version of an agent's definition, by whom and when."""

    __tablename__ = "agent_version"

    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), primary_key=True)
    )
    version: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    definition: dict[str, Any] = Field(sa_column=_document())
    changed_by: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())


class AgentTick(SQLModel, table=True):
    """A tick in which something happened; quiet ticks are counted in `agent_day` only.

    `rules` are the results of the rules, `assessment` the decision with its costs. `request_id` is
    the usage row of the prediction. `error` is the code of what failed.
    """

    __tablename__ = "agent_tick"
    __table_args__ = (
        UniqueConstraint("agent_id", "scheduled_at"),
        Index("ix_agent_tick_agent_id_id", "agent_id", "id"),
        Index(
            "ix_agent_tick_recommended",
            "agent_id",
            "scheduled_at",
            postgresql_where=text(RECOMMENDS),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), nullable=False)
    )
    version: int
    scheduled_at: datetime = Field(sa_column=moment())
    finished_at: datetime = Field(sa_column=moment())
    rules: list[dict[str, Any]] = Field(sa_column=_document())
    assessment: dict[str, Any] = Field(sa_column=_document())
    prediction: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    request_id: UUID | None = None
    cost_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    error: str | None = Field(default=None, sa_column=Column(Text))


class AgentAction(SQLModel, table=True):
    """An action that an agent took or proposed, unique by tick, kind and target.

    `target` is the point of a set point, empty for other kinds.
    `content` is what is to be done, `reason` the figures that it rests on. `entity_id` is the work
    order or other entity that it created. `decided_by` approved, rejected or undid it.
    """

    __tablename__ = "agent_action"
    __table_args__ = (
        UniqueConstraint("tick_id", "kind", "target"),
        Index("ix_agent_action_agent_id_id", "agent_id", "id"),
        Index("ix_agent_action_open", "account_id", postgresql_where=text("status = 'proposed'")),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), nullable=False)
    )
    tick_id: UUID = Field(
        sa_column=Column(ForeignKey("agent_tick.id", ondelete="cascade"), nullable=False)
    )
    kind: str = Field(sa_column=Column(Text, nullable=False))
    target: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    status: str = Field(sa_column=Column(Text, nullable=False))
    content: dict[str, Any] = Field(sa_column=_document())
    reason: dict[str, Any] = Field(sa_column=_document())
    entity_id: UUID | None = Field(default=None, foreign_key="plant_entity.id")
    created_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    decided_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    decided_by: str | None = Field(default=None, sa_column=Column(Text))


class AgentDay(SQLModel, table=True):
    """What an agent did on a day in UTC: counts, and the cost of its calls in nano-units."""

    __tablename__ = "agent_day"

    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), primary_key=True)
    )
    day: date = Field(sa_column=Column(Date, primary_key=True))
    account_id: UUID = Field(foreign_key="account.id", index=True)
    ticks: int = 0
    raised: int = 0
    predictions: int = 0
    decisions: int = 0
    actions: int = 0
    errors: int = 0
    cost_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
