"""Tables of teams of agents: team with its budget, members, tasks, events of tasks, and holds."""

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

_OPEN = "status in ('announced', 'held', 'waiting')"


class TaskKind(StrEnum):
    """What a task asks for. review: a further diagnosis, because two verdicts disagree."""

    DIAGNOSE = "diagnose"
    REVIEW = "review"
    PLAN = "plan"
    EXECUTE = "execute"


class TaskStatus(StrEnum):
    """What became of a task. held: an agent has a lease. waiting: for the answer of a person."""

    ANNOUNCED = "announced"
    HELD = "held"
    WAITING = "waiting"
    DONE = "done"
    STOPPED = "stopped"
    CANCELLED = "cancelled"


OPEN_STATUSES = (TaskStatus.ANNOUNCED, TaskStatus.HELD, TaskStatus.WAITING)


def _document() -> Column[Any]:
    return Column(JSONB, nullable=False)


def _nano() -> Column[Any]:
    return Column(BigInteger, nullable=False)


class AgentTeam(SQLModel, table=True):
    """A team of agents with the budget that its members share.

    `*_nano` are amounts of the account's currency in nano-units: `call_nano` is the most that one
    call may cost. Two probabilities of failure that differ by more than `disagreement` conflict;
    `opinions` diagnosticians are asked. A task is stopped after `task_s` seconds, or when it would
    need more than `max_leases` leases; a member whose decision changes more than `max_flips` times
    in `flip_s` seconds is stopped.
    """

    __tablename__ = "agent_team"
    __table_args__ = (
        CheckConstraint("disagreement > 0 and disagreement <= 1", name="disagreement"),
        Index(
            "ix_agent_team_name",
            "account_id",
            "name",
            unique=True,
            postgresql_where=text("deleted_at is null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    name: str = Field(sa_column=Column(Text, nullable=False))
    call_nano: int = Field(sa_column=_nano())
    day_nano: int = Field(sa_column=_nano())
    month_nano: int = Field(sa_column=_nano())
    disagreement: float
    opinions: int
    task_s: int
    max_leases: int
    max_flips: int
    flip_s: int
    spent_day: date = Field(sa_column=Column(Date, nullable=False))
    spent_day_nano: int = Field(default=0, sa_column=_nano())
    spent_month_nano: int = Field(default=0, sa_column=_nano())
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
    deleted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class AgentTeamMember(SQLModel, table=True):
    """The team and role of an agent, as its current definition states them.

    `decisions` is by asset id: the last decision, and when it changed within the window of the
    team.
    """

    __tablename__ = "agent_team_member"

    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), primary_key=True)
    )
    account_id: UUID = Field(foreign_key="account.id", index=True)
    team_id: UUID = Field(foreign_key="agent_team.id", index=True)
    role: str = Field(sa_column=Column(Text, nullable=False))
    decisions: dict[str, Any] = Field(default_factory=dict, sa_column=_document())


class AgentTask(SQLModel, table=True):
    """A task on the board of a team, about one asset.

    `case_id` is the first task of a chain diagnose, review, plan, execute; `key` makes a task
    unique. `holder_id` has the lease until `lease_until`, by the version `holder_version`, and the
    process `process_id` works on it. `leases` counts leases, `lapsed` those that ended without a
    result, by agent. `code` says why it was stopped or waits.
    """

    __tablename__ = "agent_task"
    __table_args__ = (
        UniqueConstraint("account_id", "key"),
        CheckConstraint("kind in ('diagnose', 'review', 'plan', 'execute')", name="kind"),
        CheckConstraint(
            "status in ('announced', 'held', 'waiting', 'done', 'stopped', 'cancelled')",
            name="status",
        ),
        Index(
            "ix_agent_task_open",
            "team_id",
            "asset_id",
            unique=True,
            postgresql_where=text(_OPEN),
        ),
        Index("ix_agent_task_pending", "status", postgresql_where=text(_OPEN)),
        Index("ix_agent_task_case_id", "case_id"),
        Index("ix_agent_task_team_id_id", "team_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    team_id: UUID = Field(
        sa_column=Column(ForeignKey("agent_team.id", ondelete="cascade"), nullable=False)
    )
    case_id: UUID
    asset_id: UUID = Field(foreign_key="plant_asset.id", index=True)
    key: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    code: str | None = Field(default=None, sa_column=Column(Text))
    content: dict[str, Any] = Field(sa_column=_document())
    result: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    announced_by: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), nullable=False)
    )
    holder_id: UUID | None = Field(default=None, foreign_key="agent.id", index=True)
    holder_version: int | None = None
    process_id: UUID | None = None
    lease_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    leases: int = 0
    lapsed: dict[str, int] = Field(default_factory=dict, sa_column=_document())
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    deadline_at: datetime = Field(sa_column=moment())
    cost_nano: int = Field(default=0, sa_column=_nano())
    answered_by: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())
    finished_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class AgentTaskEvent(SQLModel, table=True):
    """What happened to a task: announced, awarded, lapsed, done, conflict, stopped and so on."""

    __tablename__ = "agent_task_event"
    __table_args__ = (Index("ix_agent_task_event_task_id_id", "task_id", "id"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    task_id: UUID = Field(
        sa_column=Column(ForeignKey("agent_task.id", ondelete="cascade"), nullable=False)
    )
    kind: str = Field(sa_column=Column(Text, nullable=False))
    agent_id: UUID | None = None
    data: dict[str, Any] = Field(default_factory=dict, sa_column=_document())
    at: datetime = Field(sa_column=moment())


class AgentHold(SQLModel, table=True):
    """What a running call of a member may cost: its part of the budget of the team.

    `call_key` is the idempotency key of the call, by which its cost is found if the process that
    made it is lost. `task_id` is None for the call of a tick.
    """

    __tablename__ = "agent_hold"
    __table_args__ = (Index("ix_agent_hold_task_id", "task_id"),)

    team_id: UUID = Field(
        sa_column=Column(ForeignKey("agent_team.id", ondelete="cascade"), primary_key=True)
    )
    call_key: str = Field(sa_column=Column(Text, primary_key=True))
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID
    task_id: UUID | None = None
    amount_nano: int = Field(sa_column=_nano())
    created_at: datetime = Field(sa_column=moment())
