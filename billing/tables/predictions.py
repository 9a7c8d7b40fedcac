"""Tables of the prediction ledger: model keys, hash chains, records and observed events."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class PredictionKey(SQLModel, table=True):
    """The public key of one generation of a model's key; the private key is derived, not stored.

    A retired key signs no more. Records that a revoked key signed from `invalid_from` on support
    no claim.
    """

    __tablename__ = "prediction_key"
    __table_args__ = (
        UniqueConstraint("model", "generation"),
        Index(
            "uq_prediction_key_active",
            "model",
            unique=True,
            postgresql_where=text("retired_at is null"),
        ),
        CheckConstraint("length(public_key) = 32", name="ed25519"),
        CheckConstraint(
            "(revoked_at is null) = (invalid_from is null) "
            "and (revoked_at is null or retired_at is not null)",
            name="revoked",
        ),
    )

    kid: str = Field(sa_column=Column(Text, primary_key=True))
    model: str = Field(sa_column=Column(Text, nullable=False))
    generation: int
    public_key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    retired_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    revoked_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    invalid_from: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    reason: str | None = Field(default=None, sa_column=Column(Text))


class PredictionChain(SQLModel, table=True):
    """The end of an account's hash chain: its number of records and the last one's digest."""

    __tablename__ = "prediction_chain"

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    position: int
    head: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    recorded_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class PredictionRecord(SQLModel, table=True):
    """A prediction that counts: a JWS whose payload contains the digest of the record before it.

    Appended once, never changed. `token` is the JWS, `digest` its SHA-256; the other columns repeat
    parts of the payload for queries. `content_digest` compares repeated appends.
    """

    __tablename__ = "prediction_record"
    __table_args__ = (
        UniqueConstraint("account_id", "position"),
        UniqueConstraint("account_id", "idempotency_key"),
        Index("ix_prediction_record_event", "account_id", "event", "recorded_at"),
        Index("ix_prediction_record_subject", "account_id", "subject", "recorded_at"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    position: int
    idempotency_key: str = Field(sa_column=Column(Text, nullable=False))
    content_digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    event: str = Field(sa_column=Column(Text, nullable=False))
    model: str = Field(sa_column=Column(Text, nullable=False))
    agent: str | None = Field(default=None, sa_column=Column(Text))
    verdict: str = Field(sa_column=Column(Text, nullable=False))
    horizon_from: datetime = Field(sa_column=moment())
    horizon_to: datetime = Field(sa_column=moment())
    recorded_at: datetime = Field(sa_column=moment())
    kid: str = Field(sa_column=Column(Text, nullable=False))
    token: str = Field(sa_column=Column(Text, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PredictionEvent(SQLModel, table=True):
    """An account's report of an event that happened, or of a predicted one that did not come.

    One per business key. Reports count for scores; settlements count signed evidence only.
    """

    __tablename__ = "prediction_event"
    __table_args__ = (
        UniqueConstraint("account_id", "business_key"),
        Index("ix_prediction_event_event", "account_id", "event", "happened_at"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    business_key: str = Field(sa_column=Column(Text, nullable=False))
    event: str = Field(sa_column=Column(Text, nullable=False))
    subject: str = Field(sa_column=Column(Text, nullable=False))
    happened_at: datetime = Field(sa_column=moment())
    happened: bool
    reported_at: datetime = Field(sa_column=moment())
