"""Shared-model tables: feedback, model versions and their training examples.

Version 0 of a model has no row: it is the built-in adapter of the catalog.
"""

from datetime import datetime
from enum import StrEnum
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


class Rating(StrEnum):
    """A customer's rating of an answer."""

    GOOD = "good"
    BAD = "bad"


class VersionStatus(StrEnum):
    """The status of a shared-model version."""

    PROPOSED = "proposed"  # being trained or evaluated
    PROMOTED = "promoted"  # current, or was until a later one was promoted
    REJECTED = "rejected"  # not better than the previous version, or failed
    ROLLED_BACK = "rolled_back"  # was current and was rolled back


class Feedback(SQLModel, table=True):
    """An account's feedback on one of its calls; new feedback replaces it.

    `messages` and the correct `answer` are stored only while the account consents to training the
    shared model on them. Withdrawing consent deletes them.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        UniqueConstraint("request_id"),
        Index("ix_feedback_account_id_id", "account_id", "id"),
        Index("ix_feedback_consented", "model", postgresql_where=text("consented_at is not null")),
        CheckConstraint("rating in ('good', 'bad')", name="rating"),
        CheckConstraint("(messages is null) = (answer is null)", name="whole"),
        CheckConstraint("consented_at is not null or messages is null", name="consent"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    request_id: UUID
    model: str = Field(sa_column=Column(Text, nullable=False))
    rating: str = Field(sa_column=Column(Text, nullable=False))
    comment: str | None = Field(default=None, sa_column=Column(Text))
    messages: list[dict[str, str]] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True))
    )
    answer: str | None = Field(default=None, sa_column=Column(Text))
    consented_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    created_at: datetime = Field(sa_column=moment())
    changed_at: datetime = Field(sa_column=moment())


class ModelVersion(SQLModel, table=True):
    """A version of a shared model. The `current` one is served; without one, version 0 is.

    `parent` is the version that training started from, `made_of` a summary of the training
    examples, `scores` the comparison with the previous version, `history` the log of changes. While
    proposed, `worker` is the id of its worker and `heard_at` that worker's last heartbeat.
    """

    __tablename__ = "model_version"
    __table_args__ = (
        UniqueConstraint("model", "number"),
        Index("uq_model_version_current", "model", unique=True, postgresql_where=text("current")),
        Index(
            "uq_model_version_proposed",
            "model",
            unique=True,
            postgresql_where=text("status = 'proposed'"),
        ),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint(
            "status in ('proposed', 'promoted', 'rejected', 'rolled_back')", name="status"
        ),
        CheckConstraint(
            "not current or (status = 'promoted' and artefact is not null)", name="current"
        ),
    )

    id: UUID = Field(primary_key=True)
    model: str = Field(sa_column=Column(Text, nullable=False))
    number: int
    parent: int
    status: str = Field(sa_column=Column(Text, nullable=False))
    current: bool
    artefact: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    made_of: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    scores: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    history: list[dict[str, str]] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    promoted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    worker: UUID | None = None
    heard_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class ModelVersionExample(SQLModel, table=True):
    """The source of an example that a version was trained on or evaluated with (`held_out`).

    `source_id` is the id of a feedback or a fine-tuning job, whose training file has the example at
    `line`; it may refer to a deleted row. The text is stored only as a hash.
    """

    __tablename__ = "model_version_example"

    version_id: UUID = Field(
        sa_column=Column(
            ForeignKey("model_version.id", ondelete="cascade"), primary_key=True, nullable=False
        )
    )
    source: str = Field(sa_column=Column(Text, primary_key=True, nullable=False))
    source_id: UUID = Field(primary_key=True)
    line: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    consented_at: datetime = Field(sa_column=moment())
    held_out: bool
