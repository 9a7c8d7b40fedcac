"""Tables of the outbox, the inbox of collectors, sent alerts and alert targets."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class OutboxItem(SQLModel, table=True):
    """A call to an external system, executed once per business key.

    A worker that claims the item sets `due_at` to the time of the next attempt. Items with the same
    subject run in the order of their ids. Messages to platform staff have no account.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("business_key"),
        Index(
            "ix_outbox_waiting",
            "due_at",
            postgresql_where=text("done_at is null and given_up_at is null"),
        ),
        Index("ix_outbox_subject", "subject", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID | None = Field(foreign_key="account.id", index=True)
    action: str = Field(sa_column=Column(Text, nullable=False))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    business_key: str = Field(sa_column=Column(Text, nullable=False))
    payload: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    due_at: datetime = Field(sa_column=moment())
    attempts: int = 0
    last_error: str | None = Field(default=None, sa_column=Column(Text))
    done_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    given_up_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class InboxEvent(SQLModel, table=True):
    """A received event of a collector, stored once even if it is sent repeatedly.

    `collector` is its name.
    """

    __tablename__ = "inbox"
    __table_args__ = (
        Index("ix_inbox_waiting", "due_at", postgresql_where=text("handled_at is null")),
    )

    id: str = Field(sa_column=Column(Text, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    payload: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    received_at: datetime = Field(sa_column=moment())
    due_at: datetime = Field(sa_column=moment())
    attempts: int = 0
    outcome: str | None = Field(default=None, sa_column=Column(Text))
    handled_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    collector: str = Field(sa_column=Column(Text, nullable=False))


class InvoicePoll(SQLModel, table=True):
    """When the collector was last polled for an open invoice without events."""

    __tablename__ = "invoice_poll"

    invoice_id: UUID = Field(primary_key=True, foreign_key="invoice.id")
    polled_at: datetime = Field(sa_column=moment())


class StripeAsked(SQLModel, table=True):
    """What the release before keeps in place of `InvoicePoll`; the next release drops it."""

    __tablename__ = "stripe_asked"

    invoice_id: UUID = Field(primary_key=True, foreign_key="invoice.id")
    asked_at: datetime = Field(sa_column=moment())


class AlertTarget(SQLModel, table=True):
    """An account's alert webhook and alert percentages.

    Webhooks are signed with `secret`; without a URL, alerts are only sent by e-mail.
    """

    __tablename__ = "alert_target"

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    url: str = Field(default="", sa_column=Column(Text, nullable=False))
    secret: str = Field(default="", sa_column=Column(Text, nullable=False))
    percentages: list[int] = Field(sa_column=Column(JSONB, nullable=False))


class AlertSent(SQLModel, table=True):
    """An alert threshold crossed in a period. Rows are immutable."""

    __tablename__ = "alert_sent"
    __table_args__ = (CheckConstraint("percent > 0", name="percent"),)

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    period_start: datetime = Field(sa_column=Column(moment().type, primary_key=True))
    subject: str = Field(sa_column=Column(Text, primary_key=True))
    percent: int = Field(primary_key=True)
    used: int = Field(sa_column=Column(BigInteger, nullable=False))
    amount: int = Field(sa_column=Column(BigInteger, nullable=False))
    sent_at: datetime = Field(sa_column=moment())
