"""Evaluation tables: runs, their questions and the models' answers.

Questions are copied from the file, which may be deleted while a run goes on. Deleting a run deletes
its questions and answers; the usage rows of its calls stay.
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
    ForeignKeyConstraint,
    Index,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class EvaluationStatus(StrEnum):
    """The status of an evaluation run, with OpenAI's values.

    `incomplete`: a limit ended the run before all questions were answered.
    """

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    CANCELLED = "canceled"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self not in (EvaluationStatus.QUEUED, EvaluationStatus.IN_PROGRESS)


class AnswerStatus(StrEnum):
    """Whether a question was answered by a model, or its call failed."""

    PENDING = "pending"
    ANSWERED = "answered"
    FAILED = "failed"


class EvaluationRun(SQLModel, table=True):
    """An evaluation of a model on questions, `against` another model if that is set.

    `key_id` is the API key that pays, `process_id` the gateway process that runs it. `attempts`
    counts claims since the last progress; the next one is not before `retry_at`. `max_cost_nano` is
    the customer's limit in nano-units, `quoted_nano` the highest cost that was quoted.
    """

    __tablename__ = "evaluation_run"
    __table_args__ = (
        Index(
            "ix_evaluation_run_open",
            "account_id",
            "id",
            postgresql_where=text("status in ('queued', 'in_progress')"),
        ),
        CheckConstraint("max_cost_nano >= 0 and quoted_nano >= 0", name="costs"),
        CheckConstraint("questions > 0 and max_tokens > 0", name="sizes"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    key_id: UUID = Field(foreign_key="api_key.id")
    name: str = Field(sa_column=Column(Text, nullable=False))
    model: str = Field(sa_column=Column(Text, nullable=False))
    against: str | None = Field(default=None, sa_column=Column(Text))
    file_id: UUID | None = None
    filename: str = Field(sa_column=Column(Text, nullable=False))
    scoring: str = Field(sa_column=Column(Text, nullable=False))
    questions: int
    max_tokens: int
    max_cost_nano: int | None = Field(default=None, sa_column=Column(BigInteger))
    quoted_nano: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    process_id: UUID | None = None
    attempts: int = 0
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    created_at: datetime = Field(sa_column=moment())
    finished_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class EvaluationQuestion(SQLModel, table=True):
    """A question of a run: the fields of its chat request, and what a correct answer is.

    `request` has `messages`, and `tools` for a question about documents. `expected` is an
    Expectation (models/evaluation/scoring.py).
    """

    __tablename__ = "evaluation_question"

    run_id: UUID = Field(
        sa_column=Column(
            ForeignKey("evaluation_run.id", ondelete="cascade"), primary_key=True, nullable=False
        )
    )
    position: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    item_id: str = Field(sa_column=Column(Text, nullable=False))
    question: str = Field(sa_column=Column(Text, nullable=False))
    request: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    expected: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class EvaluationAnswer(SQLModel, table=True):
    """A model's answer to a question, pending until its call has ended.

    `contender` is 0 for the run's model and 1 for the other one. `request_id` is the usage row that
    bills the call; cost and tokens are those of it and its linked calls. `found` is the part of the
    answer that was scored.
    """

    __tablename__ = "evaluation_answer"
    __table_args__ = (
        ForeignKeyConstraint(
            ["run_id", "position"],
            ["evaluation_question.run_id", "evaluation_question.position"],
            ondelete="cascade",
        ),
        CheckConstraint("contender in (0, 1)", name="contender"),
        CheckConstraint("cost_nano >= 0 and quoted_nano >= 0", name="costs"),
    )

    run_id: UUID = Field(primary_key=True)
    position: int = Field(primary_key=True)
    contender: int = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    quoted_nano: int = Field(sa_column=Column(BigInteger, nullable=False))
    status: str = Field(sa_column=Column(Text, nullable=False))
    attempts: int = 0
    answer: str | None = Field(default=None, sa_column=Column(Text))
    correct: bool | None = None
    found: str | None = Field(default=None, sa_column=Column(Text))
    wrong_fields: list[str] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    refused: bool = False
    finish_reason: str | None = Field(default=None, sa_column=Column(Text))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    request_id: UUID | None = None
    cost_nano: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    input_tokens: int | None = Field(default=None, sa_column=Column(BigInteger))
    output_tokens: int | None = Field(default=None, sa_column=Column(BigInteger))
    duration_us: int | None = Field(default=None, sa_column=Column(BigInteger))
