"""Tables of agents' tools and rounds: steps of ticks, rounds, answers, photos, and order drafts."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class RoundStatus(StrEnum):
    """What became of a round. missed: the next one began before it was sent."""

    OPEN = "open"
    SUBMITTED = "submitted"
    MISSED = "missed"
    CANCELLED = "cancelled"


def _agent() -> Column[Any]:
    return Column(ForeignKey("agent.id", ondelete="cascade"), nullable=False)


def _round() -> Column[Any]:
    return Column(ForeignKey("agent_round.id", ondelete="cascade"), nullable=False)


def _text() -> Column[Any]:
    return Column(Text, nullable=False)


class AgentStep(SQLModel, table=True):
    """One call of a tick beside the prediction: what was called, its output, cost and error."""

    __tablename__ = "agent_step"
    __table_args__ = (Index("ix_agent_step_tick_id", "tick_id"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID = Field(sa_column=_agent())
    tick_id: UUID = Field(
        sa_column=Column(ForeignKey("agent_tick.id", ondelete="cascade"), nullable=False)
    )
    name: str = Field(sa_column=_text())
    model: str = Field(sa_column=_text())
    output: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    request_id: UUID | None = None
    cost_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    error: str | None = Field(default=None, sa_column=Column(Text))


class AgentRound(SQLModel, table=True):
    """An inspection round: the route as it was when the round began, and what came of it.

    `scheduled_at` is None for a round that was started by hand. `due_at` is when a submission is
    late. `results` are the raised and quiet questions. `processed_at` is when a tick classified
    photos, wrote the summary and decided; the report is complete then. `report_sha256` is of its
    JSON with sorted keys, and `report_signature` of that hash (gateway/agents/rounds/signing.py);
    None for reports of versions that signed none. `readings_at` is when numbers became readings.
    """

    __tablename__ = "agent_round"
    __table_args__ = (
        CheckConstraint("status in ('open', 'submitted', 'missed', 'cancelled')", name="status"),
        UniqueConstraint("agent_id", "scheduled_at"),
        Index("ix_agent_round_agent_id_id", "agent_id", "id"),
        Index(
            "ix_agent_round_waiting",
            "agent_id",
            postgresql_where=text("status = 'submitted' and processed_at is null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID = Field(sa_column=_agent())
    agent_version: int
    name: str = Field(sa_column=_text())
    plan: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    status: str = Field(sa_column=_text())
    scheduled_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    started_at: datetime = Field(sa_column=moment())
    started_by: str | None = Field(default=None, sa_column=Column(Text))
    due_at: datetime = Field(sa_column=moment())
    submitted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    submitted_by: str | None = Field(default=None, sa_column=Column(Text))
    results: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    summary: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    report: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    report_sha256: str | None = Field(default=None, sa_column=Column(Text))
    report_signature: str | None = Field(default=None, sa_column=Column(Text))
    readings_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    processed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    tick_id: UUID | None = Field(
        default=None, sa_column=Column(ForeignKey("agent_tick.id", ondelete="set null"))
    )


class AgentRoundAnswer(SQLModel, table=True):
    """One answer. Corrections are further rows; the newest by `answered_at` counts.

    `key` is the client's key of the answer, so that it can be sent again. `answered_at` is by the
    client's clock, `received_at` by the gateway's.
    """

    __tablename__ = "agent_round_answer"
    __table_args__ = (
        UniqueConstraint("round_id", "key"),
        Index("ix_agent_round_answer_round_id", "round_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    round_id: UUID = Field(sa_column=_round())
    key: str = Field(sa_column=_text())
    stop: int
    question: str = Field(sa_column=_text())
    value: Any = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    unit: str = Field(sa_column=_text())
    note: str = Field(sa_column=_text())
    answered_at: datetime = Field(sa_column=moment())
    received_at: datetime = Field(sa_column=moment())
    answered_by: str | None = Field(default=None, sa_column=Column(Text))


class AgentRoundPhoto(SQLModel, table=True):
    """A photo of an answer, stored as a file of the account without its metadata.

    `sha256` is of the stored file. `label` and `probability` are those of the specialist that
    classified it, `error` the code of what failed.
    """

    __tablename__ = "agent_round_photo"
    __table_args__ = (
        UniqueConstraint("round_id", "key"),
        Index("ix_agent_round_photo_round_id", "round_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    round_id: UUID = Field(sa_column=_round())
    key: str = Field(sa_column=_text())
    stop: int
    question: str = Field(sa_column=_text())
    file_id: UUID
    sha256: str = Field(sa_column=_text())
    size: int
    width: int
    height: int
    created_at: datetime = Field(sa_column=moment())
    added_by: str | None = Field(default=None, sa_column=Column(Text))
    label: str | None = Field(default=None, sa_column=Column(Text))
    probability: float | None = Field(default=None, sa_column=Column(Float))
    error: str | None = Field(default=None, sa_column=Column(Text))


class AgentOrderDraft(SQLModel, table=True):
    """A work order that an agent drafted for, by the SHA-256 of what the order said."""

    __tablename__ = "agent_order_draft"

    agent_id: UUID = Field(
        sa_column=Column(ForeignKey("agent.id", ondelete="cascade"), primary_key=True)
    )
    entity_id: UUID = Field(foreign_key="plant_entity.id", primary_key=True)
    content_sha256: str = Field(sa_column=Column(Text, primary_key=True))
    account_id: UUID = Field(foreign_key="account.id", index=True)
    action_id: UUID | None = Field(
        default=None, sa_column=Column(ForeignKey("agent_action.id", ondelete="set null"))
    )
    created_at: datetime = Field(sa_column=moment())
