"""Tables of agents that learn: logged decisions, feedback, policies with their steps, limits."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class FeedbackVerdict(StrEnum):
    """What a person said of a decision; ignored: nobody said or did anything in time."""

    CONFIRMED = "confirmed"
    DENIED = "denied"
    CORRECTED = "corrected"
    IGNORED = "ignored"


class PolicyStatus(StrEnum):
    """Where a learned policy is. ready: its shadow period passed, the owner may promote it."""

    SHADOW = "shadow"
    READY = "ready"
    ACTIVE = "active"
    REPLACED = "replaced"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"


class LimitStatus(StrEnum):
    """What became of a proposed limit of a rule."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    OUTDATED = "outdated"


def _document() -> Column[Any]:
    return Column(JSONB, nullable=False)


def _of_agent(primary_key: bool = False) -> Column[UUID]:
    key = ForeignKey("agent.id", ondelete="cascade")
    return Column(key, primary_key=primary_key, nullable=False)


def _of_tick() -> Column[UUID]:
    return Column(ForeignKey("agent_tick.id", ondelete="cascade"), primary_key=True)


class AgentDecision(SQLModel, table=True):
    """A decision that can be learned from: situation, action, and its probability.

    `action` was taken, `reference` is that of the policy before, `shadow` that of a policy in its
    shadow period. `propensity` is the probability of `action`. `fault` is null until the outcome
    is known; `cost` is what the action really cost, if a person stated it.
    """

    __tablename__ = "agent_decision"
    __table_args__ = (
        Index("ix_agent_decision_agent_id_decided_at", "agent_id", "decided_at"),
        CheckConstraint("propensity > 0 and propensity <= 1", name="propensity"),
    )

    tick_id: UUID = Field(sa_column=_of_tick())
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID = Field(sa_column=_of_agent())
    asset_id: UUID = Field(foreign_key="plant_asset.id")
    decided_at: datetime = Field(sa_column=moment())
    horizon_s: float
    features: dict[str, float] = Field(sa_column=_document())
    allowed: list[str] = Field(sa_column=_document())
    action: str = Field(sa_column=Column(Text, nullable=False))
    reference: str = Field(sa_column=Column(Text, nullable=False))
    propensity: float
    policy_id: UUID | None = None
    shadow: str | None = Field(default=None, sa_column=Column(Text))
    shadow_policy_id: UUID | None = None
    fault: bool | None = None
    outcome_source: str | None = Field(default=None, sa_column=Column(Text))
    cost: float | None = None


class AgentFeedback(SQLModel, table=True):
    """What somebody said of the decision of a tick; later feedback replaces it.

    `given_by` is null for the platform, which marks what was ignored.
    """

    __tablename__ = "agent_feedback"
    __table_args__ = (
        Index("ix_agent_feedback_agent_id_tick_id", "agent_id", "tick_id"),
        CheckConstraint(
            "verdict in ('confirmed', 'denied', 'corrected', 'ignored')", name="verdict"
        ),
    )

    tick_id: UUID = Field(sa_column=_of_tick())
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID = Field(sa_column=_of_agent())
    verdict: str = Field(sa_column=Column(Text, nullable=False))
    fault: bool | None = None
    found: str = Field(default="", sa_column=Column(Text, nullable=False))
    found_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    cost: float | None = None
    given_by: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())
    changed_at: datetime = Field(sa_column=moment())


class AgentPolicy(SQLModel, table=True):
    """A learned policy of an agent: its file with hash and signature, and its evidence.

    `number` counts the policies of an agent. `previous_id` is the policy that it replaced.
    """

    __tablename__ = "agent_policy"
    __table_args__ = (
        Index("ix_agent_policy_number", "agent_id", "number", unique=True),
        Index(
            "ix_agent_policy_active",
            "agent_id",
            unique=True,
            postgresql_where=text("status = 'active'"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID = Field(sa_column=_of_agent())
    number: int
    status: str = Field(sa_column=Column(Text, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sha256: str = Field(sa_column=Column(Text, nullable=False))
    signature: str = Field(sa_column=Column(Text, nullable=False))
    evidence: dict[str, Any] = Field(sa_column=_document())
    previous_id: UUID | None = None
    created_at: datetime = Field(sa_column=moment())
    shadow_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    promoted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class AgentPolicyStep(SQLModel, table=True):
    """A step of a policy with its figures: trained, rejected, ready, promoted, rolled back."""

    __tablename__ = "agent_policy_step"

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID = Field(sa_column=_of_agent())
    policy_id: UUID = Field(foreign_key="agent_policy.id", index=True)
    step: str = Field(sa_column=Column(Text, nullable=False))
    figures: dict[str, Any] = Field(sa_column=_document())
    decided_by: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())


class AgentLearning(SQLModel, table=True):
    """The work of learning for an agent as a queue: outcomes, training, judgement.

    `trained_known` is how many outcomes were known at the last training, `waits_for` why there is
    no candidate. `process_id` is the process that works on it.
    """

    __tablename__ = "agent_learning"

    agent_id: UUID = Field(sa_column=_of_agent(primary_key=True))
    account_id: UUID = Field(foreign_key="account.id", index=True)
    trained_known: int = 0
    known: int = 0
    waits_for: str = Field(default="", sa_column=Column(Text, nullable=False))
    attempts: int = 0
    process_id: UUID | None = None
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class AgentLimit(SQLModel, table=True):
    """A proposed limit of a rule after false alarms, with the figures of its replay."""

    __tablename__ = "agent_limit"
    __table_args__ = (
        Index(
            "ix_agent_limit_open",
            "agent_id",
            "rule",
            unique=True,
            postgresql_where=text("status = 'proposed'"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    agent_id: UUID = Field(sa_column=_of_agent())
    agent_version: int
    rule: str = Field(sa_column=Column(Text, nullable=False))
    before: float
    after: float
    unit: str = Field(sa_column=Column(Text, nullable=False))
    figures: dict[str, Any] = Field(sa_column=_document())
    status: str = Field(sa_column=Column(Text, nullable=False))
    decided_by: str | None = Field(default=None, sa_column=Column(Text))
    decided_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    created_at: datetime = Field(sa_column=moment())
