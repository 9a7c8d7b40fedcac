"""The tables of the way back: what customers say of answers, and the versions of shared models.

Owns columns and what the database itself enforces, no query. Version 0 of a model has no row: it is
the adapter that comes with the catalog.
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
    """What a customer thinks of an answer."""

    GOOD = "good"
    BAD = "bad"


class VersionStatus(StrEnum):
    """What became of a version of a shared model."""

    PROPOSED = "proposed"  # being learned or judged
    PROMOTED = "promoted"  # answers, or did until a later one was promoted
    REJECTED = "rejected"  # did not beat the one before it, or was given up
    ROLLED_BACK = "rolled_back"  # answered, and was taken back


class Feedback(SQLModel, table=True):
    """What an account says of one of its calls; said again, it is replaced.

    `messages` and `answer`, the right one, are there only where the account agrees that the shared
    model learns from them. To take that back is to erase them.
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
    """A version of a shared model. The one that is `current` answers; where none is, number 0 does.

    `parent` is the version that its learning began with, `made_of` how much of what it learned,
    `scores` how it did beside the version that it was to follow, `history` who did what with it.
    While it is proposed, `worker` makes it and was last heard of at `heard_at`.
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
    """Where an example came from that a version learned from, or was judged by (`held_out`).

    `source_id` is a feedback's or an adaptation's, whose training file has it at `line`. It may
    name what was deleted since. Of the text there is only its hash: enough to see what was learned.
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
