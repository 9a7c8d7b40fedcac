"""Tables of named EPCIS queries and of the subscriptions that deliver their results."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class PlantEventQuery(SQLModel, table=True):
    """A named query of an account; `parameters` are those of the Simple Event Query."""

    __tablename__ = "plant_event_query"
    __table_args__ = (UniqueConstraint("account_id", "name", name="uq_plant_event_query_name"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    name: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    parameters: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class PlantEventSubscription(SQLModel, table=True):
    """A subscription to a named query.

    `schedule` None delivers as soon as there are events. The position is that of the last event
    delivered; `due_at` is the time of the next attempt.
    """

    __tablename__ = "plant_event_subscription"
    __table_args__ = (
        Index("ix_plant_event_subscription_query", "query"),
        Index("ix_plant_event_subscription_due_at", "due_at"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    query: UUID = Field(
        sa_column=Column(ForeignKey("plant_event_query.id", ondelete="CASCADE"), nullable=False)
    )
    created_at: datetime = Field(sa_column=moment())
    url: str = Field(sa_column=Column(Text, nullable=False))
    sealed_secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    schedule: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True))
    )
    reports_if_empty: bool
    position_time: datetime = Field(sa_column=moment())
    position_id: UUID
    due_at: datetime = Field(sa_column=moment())
    failures: int = 0
    last_notified_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    last_error: str | None = Field(default=None, sa_column=Column(Text))
    paused_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
