"""Tables of notifications: endpoints, events, deliveries and their attempts.

An event is stored with one delivery per endpoint that selected its type, in the transaction that
changed the state. Events are deleted after the retention, their deliveries and attempts with them.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class NotificationEndpoint(SQLModel, table=True):
    """An address that receives an account's events.

    `address` is as it is shown: the keys of robots' addresses are masked. `sealed` is the encrypted
    address and secret; it is null for the webhook of the alert settings (`is_alert_target`), which
    are in `alert_target`. A worker that sends to the endpoint sets `due_at` to the earliest time of
    the next message; `attempts` counts messages without any response. `failing_since` is the first
    failure since the last delivery, `failures` how many there were.
    """

    __tablename__ = "notification_endpoint"
    __table_args__ = (
        CheckConstraint(
            "kind in ('webhook', 'wecom', 'dingtalk', 'feishu', 'slack', 'email')",
            name="kind_known",
        ),
        CheckConstraint("language in ('en', 'zh')", name="language_known"),
        CheckConstraint(
            "disabled_reason in ('', 'owner', 'failing', 'unconfirmed') "
            "and enabled = (disabled_reason = '')",
            name="disabled_has_reason",
        ),
        CheckConstraint("is_alert_target = (sealed is null)", name="has_address"),
        Index("ix_notification_endpoint_account_id", "account_id"),
        Index(
            "uq_notification_endpoint_alert_target",
            "account_id",
            unique=True,
            postgresql_where=text("is_alert_target"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    kind: str = Field(sa_column=Column(Text, nullable=False))
    address: str = Field(default="", sa_column=Column(Text, nullable=False))
    sealed: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    has_secret: bool = False
    is_alert_target: bool = False
    description: str = Field(default="", sa_column=Column(Text, nullable=False))
    language: str = Field(sa_column=Column(Text, nullable=False))
    enabled_events: list[str] = Field(sa_column=Column(JSONB, nullable=False))
    enabled: bool = True
    disabled_reason: str = Field(default="", sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    removed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    due_at: datetime = Field(sa_column=moment())
    attempts: int = 0
    failing_since: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    failures: int = 0


class NotificationEvent(SQLModel, table=True):
    """Something that happened in an account, once per business key.

    `payload` is the body of signed webhooks. `texts` is title and text of messages by language,
    `page` the path of the dashboard page about it.
    """

    __tablename__ = "notification_event"
    __table_args__ = (
        UniqueConstraint("business_key"),
        Index("ix_notification_event_account_id", "account_id"),
        Index("ix_notification_event_created_at", "created_at"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    type: str = Field(sa_column=Column(Text, nullable=False))
    business_key: str = Field(sa_column=Column(Text, nullable=False))
    payload: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    texts: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    page: str = Field(default="", sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class NotificationDelivery(SQLModel, table=True):
    """The delivery of an event to an endpoint: pending, delivered, or failed for good.

    `queued_at` is when it was created or requested again; retries end three days after it.
    """

    __tablename__ = "notification_delivery"
    __table_args__ = (
        CheckConstraint("status in ('pending', 'delivered', 'failed')", name="status_known"),
        UniqueConstraint("event_id", "endpoint_id"),
        Index("ix_notification_delivery_account_id", "account_id", "id"),
        Index("ix_notification_delivery_endpoint_id", "endpoint_id", "id"),
        Index(
            "ix_notification_delivery_pending",
            "due_at",
            "endpoint_id",
            postgresql_where=text("status = 'pending'"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    endpoint_id: UUID = Field(foreign_key="notification_endpoint.id")
    event_id: UUID = Field(
        sa_column=Column(ForeignKey("notification_event.id", ondelete="CASCADE"), nullable=False)
    )
    event_type: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    attempts: int = 0
    created_at: datetime = Field(sa_column=moment())
    queued_at: datetime = Field(sa_column=moment())
    due_at: datetime = Field(sa_column=moment())
    delivered_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    last_error: str | None = Field(default=None, sa_column=Column(Text))


class NotificationAttempt(SQLModel, table=True):
    """One attempt to deliver, without secrets. Rows are immutable.

    `events` is the number of events in the message. `http_status` is null without a response.
    """

    __tablename__ = "notification_attempt"
    __table_args__ = (Index("ix_notification_attempt_delivery_id", "delivery_id", "id"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    delivery_id: UUID = Field(
        sa_column=Column(ForeignKey("notification_delivery.id", ondelete="CASCADE"), nullable=False)
    )
    sent_at: datetime = Field(sa_column=moment())
    duration_ms: int
    result: str = Field(sa_column=Column(Text, nullable=False))
    http_status: int | None = None
    request: str = Field(sa_column=Column(Text, nullable=False))
    response: str = Field(default="", sa_column=Column(Text, nullable=False))
    error: str | None = Field(default=None, sa_column=Column(Text))
    events: int = 1
    next_attempt_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
