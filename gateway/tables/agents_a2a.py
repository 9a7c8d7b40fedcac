"""Tables of what programs ask of agents: runs outside of the schedule, and tasks of A2A."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class AgentRunStatus(StrEnum):
    """State of a run. canceled: before a process had begun it."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class A2aTaskState(StrEnum):
    """State of a task, without the prefix of the protocol."""

    SUBMITTED = "submitted"
    WORKING = "working"
    INPUT_REQUIRED = "input_required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class AgentRun(SQLModel, table=True):
    """One tick of an agent outside of its schedule, once by `request_key`.

    `key_id` pays for its call, `most_nano` is what the call may cost besides the agent's budget.
    `chain` are the agents that wait for this run. `process_id` works on it, from `retry_at` on.
    `outcome` is the decision with the results of the rules.
    """

    __tablename__ = "agent_run"
    __table_args__ = (
        CheckConstraint(
            "status in ('queued', 'running', 'succeeded', 'failed', 'canceled')", name="status"
        ),
        UniqueConstraint("agent_id", "request_key"),
        Index("ix_agent_run_agent_id_id", "agent_id", "id"),
        Index(
            "uq_agent_run_open",
            "agent_id",
            unique=True,
            postgresql_where=text("status in ('queued', 'running')"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), nullable=False)
    )
    key_id: UUID = Field(foreign_key="api_key.id")
    request_key: str = Field(sa_column=Column(Text, nullable=False))
    most_nano: int | None = Field(default=None, sa_column=Column(BigInteger))
    chain: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    process_id: UUID | None = None
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    failures: int = 0
    outcome: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    tick_id: UUID | None = Field(
        default=None, sa_column=Column(ForeignKey("agent_tick.id", ondelete="set null"))
    )
    cost_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    error: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())
    finished_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class A2aTask(SQLModel, table=True):
    """A task of the Agent2Agent protocol, once by message of the key that sent it.

    `request_hash` tells a repeated message from another one with the same id. `run_id` is the run
    that the task waits for; without one, `process_id` works on it. `result` is the artifact.
    """

    __tablename__ = "a2a_task"
    __table_args__ = (
        CheckConstraint(
            "state in ('submitted', 'working', 'input_required', 'completed', 'failed', "
            "'canceled')",
            name="state",
        ),
        UniqueConstraint("key_id", "message_id"),
        Index("ix_a2a_task_account_id_id", "account_id", "id"),
        Index("ix_a2a_task_context_id", "account_id", "context_id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    agent_id: UUID | None = Field(
        default=None, sa_column=Column(ForeignKey("agent.id", ondelete="cascade"))
    )
    key_id: UUID = Field(foreign_key="api_key.id")
    context_id: str = Field(sa_column=Column(Text, nullable=False))
    message_id: str = Field(sa_column=Column(Text, nullable=False))
    request_hash: str = Field(sa_column=Column(Text, nullable=False))
    message: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    skill: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    run_id: UUID | None = Field(
        default=None, sa_column=Column(ForeignKey("agent_run.id", ondelete="cascade"))
    )
    process_id: UUID | None = None
    result: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    error: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())
    updated_at: datetime = Field(sa_column=moment())
