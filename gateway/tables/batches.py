"""Batch tables: batches, and their lines with the requests and the results.

The lines are copied from the input file, which may be deleted meanwhile. They are deleted when the
output files are written; the usage rows of their calls stay.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class BatchStatus(StrEnum):
    """The status of a batch, with OpenAI's values."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether the batch has ended."""
        return self not in OPEN_BATCH_STATUSES


OPEN_BATCH_STATUSES = (
    BatchStatus.VALIDATING,
    BatchStatus.IN_PROGRESS,
    BatchStatus.FINALIZING,
    BatchStatus.CANCELLING,
)


class LineOutcome(StrEnum):
    """Whether a line was answered or its call failed, as OpenAI counts them."""

    COMPLETED = "completed"
    FAILED = "failed"


class Batch(SQLModel, table=True):
    """A batch of calls of one endpoint and one model.

    `key_id` is the API key that pays, `process_id` the gateway process that runs the batch. Its id
    is also that of the hold of `held_nano` (billing/metering/holds.py), of which `spent_nano` was
    used. `attempts` counts claims since the last progress; the next one is not before `retry_at`.
    `tags` are the X-Maas-Tags of its calls. `errors` are OpenAI's, of an invalid file or of what
    ended the batch early. `output_bytes` is the size of the results so far.
    """

    __tablename__ = "batch"
    __table_args__ = (
        Index(
            "ix_batch_open",
            "account_id",
            "id",
            postgresql_where=text(
                "status in ('validating', 'in_progress', 'finalizing', 'cancelling')"
            ),
        ),
        CheckConstraint("held_nano >= 0 and spent_nano >= 0", name="costs"),
        CheckConstraint("completed >= 0 and failed >= 0 and total >= 0", name="counts"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    key_id: UUID = Field(foreign_key="api_key.id")
    endpoint: str = Field(sa_column=Column(Text, nullable=False))
    model: str | None = Field(default=None, sa_column=Column(Text))
    input_file_id: UUID
    # `metadata` is an attribute of SQLAlchemy's own.
    labels: dict[str, str] | None = Field(
        default=None, sa_column=Column("metadata", JSONB(none_as_null=True))
    )
    tags: str | None = Field(default=None, sa_column=Column(Text))
    status: str = Field(sa_column=Column(Text, nullable=False))
    errors: list[dict[str, Any]] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True))
    )
    total: int = 0
    completed: int = 0
    failed: int = 0
    input_tokens: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    cached_tokens: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    output_tokens: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    reasoning_tokens: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    output_bytes: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    held_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    spent_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    estimated_s: int | None = None
    output_file_id: UUID | None = None
    error_file_id: UUID | None = None
    process_id: UUID | None = None
    attempts: int = 0
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    created_at: datetime = Field(sa_column=moment())
    expires_at: datetime = Field(sa_column=moment())
    in_progress_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    finalizing_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    cancelling_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    finished_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class BatchLine(SQLModel, table=True):
    """A line of a batch: the request body, and the line of the output or error file it gives.

    `position` counts from 0 in the order of the file. `outcome` and `result` are null until the
    call has ended. `attempts` counts errors of the platform, after which the line is sent again.
    """

    __tablename__ = "batch_line"
    __table_args__ = (
        Index(
            "ix_batch_line_pending",
            "batch_id",
            "position",
            postgresql_where=text("outcome is null"),
        ),
    )

    batch_id: UUID = Field(
        sa_column=Column(
            ForeignKey("batch.id", ondelete="cascade"), primary_key=True, nullable=False
        )
    )
    position: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    custom_id: str = Field(sa_column=Column(Text, nullable=False))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    attempts: int = 0
    outcome: str | None = Field(default=None, sa_column=Column(Text))
    result: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
