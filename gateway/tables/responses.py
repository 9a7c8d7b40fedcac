"""Stored responses of the Responses API: items for later turns, background work, its events."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class SavedResponse(SQLModel, table=True):
    """A response that its client asked to store, until `expires_at`.

    `items` are the conversation's input items, `response` the response's object, `request` what is
    left to do in the background; all three are encrypted. `status` are OpenAI's values.
    `process_id` is the gateway process that answers it, `attempts` counts claims, the next one is
    not before `retry_at`. `idempotency_key` is that of a background request.
    """

    __tablename__ = "saved_response"
    __table_args__ = (
        CheckConstraint(
            "status in ('queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled')",
            name="status",
        ),
        Index("ix_saved_response_expires_at", "expires_at"),
        Index(
            "ix_saved_response_open",
            "account_id",
            "id",
            postgresql_where=text("status in ('queued', 'in_progress')"),
        ),
        Index(
            "uq_saved_response_idempotency_key",
            "account_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key is not null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    key_id: UUID = Field(foreign_key="api_key.id")
    status: str = Field(sa_column=Column(Text, nullable=False))
    background: bool
    items: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    response: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    request: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    idempotency_key: str | None = Field(default=None, sa_column=Column(Text))
    process_id: UUID | None = None
    attempts: int = 0
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    created_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())


class ResponseEvents(SQLModel, table=True):
    """Some consecutive events of a streamed background response, as they were produced.

    `events` are encrypted; they are numbered from `first_number` to `last_number`. `attempt` is the
    claim of the response in which they were produced. They are deleted with the response.
    """

    __tablename__ = "response_events"

    response_id: UUID = Field(
        sa_column=Column(ForeignKey("saved_response.id", ondelete="cascade"), primary_key=True)
    )
    first_number: int = Field(primary_key=True)
    last_number: int
    account_id: UUID = Field(foreign_key="account.id")
    attempt: int
    events: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
