"""Tables of admin keys and of the responses that their Idempotency-Keys replay."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class AdminKey(SQLModel, table=True):
    """An admin key: its HMAC and display hint, never the key itself.

    Without an account it is the platform's, with `scopes`; an account's has none and manages that
    account. `window_started_at` and `window_requests` count the requests of the last minute.
    """

    __tablename__ = "admin_key"
    __table_args__ = (
        CheckConstraint("(account_id is null) = (scopes is not null)", name="scopes"),
        CheckConstraint("window_requests >= 0", name="window"),
        Index("ix_admin_key_account_id_id", "account_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID | None = Field(default=None, foreign_key="account.id")
    name: str = Field(sa_column=Column(Text, nullable=False))
    hint: str = Field(sa_column=Column(Text, nullable=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    scopes: list[str] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    networks: list[str] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    made_by: UUID | None = Field(default=None, foreign_key="person.id")
    created_at: datetime = Field(sa_column=moment())
    expires_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    revoked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    last_used_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    last_address: str = Field(default="", sa_column=Column(Text, nullable=False))
    window_started_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    window_requests: int = 0


class AdminAnswer(SQLModel, table=True):
    """The stored response of a change with an admin key and an Idempotency-Key, for a day.

    `body` is encrypted: the response of a new key contains its secret.
    """

    __tablename__ = "admin_answer"
    __table_args__ = (Index("ix_admin_answer_expires_at", "expires_at"),)

    admin_key_id: UUID = Field(primary_key=True, foreign_key="admin_key.id")
    idempotency_key: str = Field(sa_column=Column(Text, primary_key=True))
    request_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    body: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    expires_at: datetime = Field(sa_column=moment())
