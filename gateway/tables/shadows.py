"""Tables of shadow deployments: a version of an own model answers calls of another one, unseen.

Only results are stored, neither inputs nor reasons.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class ShadowStatus(StrEnum):
    """What became of a shadow deployment. One that reached a limit is completed."""

    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    PROMOTED = "promoted"


class ShadowDeployment(SQLModel, table=True):
    """A candidate version that answers a share of the calls of the current one.

    It ends at `ends_at`, or once `rows` reaches `max_rows`. `failed` counts calls that the
    candidate did not answer.
    """

    __tablename__ = "shadow_deployment"
    __table_args__ = (
        Index("ix_shadow_deployment_account_id_base_name_id", "account_id", "base", "name", "id"),
        Index(
            "uq_shadow_deployment_running",
            "account_id",
            "base",
            "name",
            unique=True,
            postgresql_where=text("status = 'running'"),
        ),
        CheckConstraint("share > 0 and share <= 1", name="share"),
        CheckConstraint("max_rows > 0 and rows >= 0 and failed >= 0", name="counts"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    base: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    current_version: int
    current_id: UUID = Field(
        sa_column=Column(ForeignKey("variant.id", ondelete="cascade"), nullable=False)
    )
    candidate_version: int
    candidate_id: UUID = Field(
        sa_column=Column(ForeignKey("variant.id", ondelete="cascade"), nullable=False)
    )
    share: float
    max_rows: int
    rows: int = 0
    failed: int = 0
    status: str = Field(sa_column=Column(Text, nullable=False))
    started_by: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=moment())
    ends_at: datetime = Field(sa_column=moment())
    finished_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class ShadowAnswer(SQLModel, table=True):
    """The results of both versions for one row of a call."""

    __tablename__ = "shadow_answer"
    __table_args__ = (
        Index("ix_shadow_answer_account_id_request_id_row", "account_id", "request_id", "row"),
    )

    shadow_id: UUID = Field(
        sa_column=Column(ForeignKey("shadow_deployment.id", ondelete="cascade"), primary_key=True)
    )
    request_id: UUID = Field(primary_key=True)
    row: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    current: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    candidate: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    at: datetime = Field(sa_column=moment())
