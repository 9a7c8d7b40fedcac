"""Fine-tuning tables: training files, jobs, job events and model variants.

File contents and weights are stored in rows, so that no state depends on one machine's disk.
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
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from billing.tables.base import moment


class AdaptationStatus(StrEnum):
    """The status of a fine-tuning job, with OpenAI's values."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether the job has ended."""
        return self not in (AdaptationStatus.QUEUED, AdaptationStatus.RUNNING)


class TrainingFile(SQLModel, table=True):
    """An uploaded file. Deleting the file deletes the row."""

    __tablename__ = "training_file"
    __table_args__ = (CheckConstraint("size = octet_length(content)", name="size"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    filename: str = Field(sa_column=Column(Text, nullable=False))
    purpose: str = Field(sa_column=Column(Text, nullable=False))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=moment())


class Adaptation(SQLModel, table=True):
    """A fine-tuning job, with the API key that created it.

    `request_id` is the usage row that bills the job, `process_id` the gateway process that runs it.
    `training_file_id` may refer to a deleted file. `shared_at` is set while the customer consents
    to training the shared model on the file. `seconds` is the training time.

    A model that is worse than its base is a candidate: the customer can accept it until
    `candidate_until`. `accepted_by` is the public id of the person or API key that did; None with
    `accepted_at` if the operator did.
    """

    __tablename__ = "adaptation"
    __table_args__ = (
        Index("ix_adaptation_open", "id", postgresql_where=text("status in ('queued', 'running')")),
        CheckConstraint("seconds is null or seconds >= 0", name="seconds"),
        CheckConstraint("trained_tokens >= 0", name="trained_tokens"),
        Index(
            "ix_adaptation_candidate",
            "candidate_until",
            postgresql_where=text("candidate_until is not null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    key_id: UUID = Field(foreign_key="api_key.id")
    model: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    training_file_id: UUID
    status: str = Field(sa_column=Column(Text, nullable=False))
    tags: dict[str, str] | None = Field(default=None, sa_column=Column(JSONB))
    settings: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=moment())
    finished_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    request_id: UUID
    process_id: UUID | None = None
    attempts: int = 0
    seconds: int | None = None
    trained_tokens: int | None = Field(default=None, sa_column=Column(BigInteger))
    shared_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    score: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    candidate_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    accepted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    accepted_by: str | None = Field(default=None, sa_column=Column(Text))


class AdaptationEvent(SQLModel, table=True):
    """A progress message of a job for the customer, with training metrics if any.

    `sentence` has the message's template and values, from which pages show it in other languages;
    None for a message in English only.
    """

    __tablename__ = "adaptation_event"
    __table_args__ = (Index("ix_adaptation_event_adaptation_id_id", "adaptation_id", "id"),)

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    adaptation_id: UUID = Field(
        sa_column=Column(ForeignKey("adaptation.id", ondelete="cascade"), nullable=False)
    )
    level: str = Field(sa_column=Column(Text, nullable=False))
    message: str = Field(sa_column=Column(Text, nullable=False))
    sentence: dict[str, Any] | None = Field(
        default=None, sa_column=Column(JSONB(none_as_null=True))
    )
    metrics: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    created_at: datetime = Field(sa_column=moment())


class Variant(SQLModel, table=True):
    """A version of a customer's fine-tuned model variant.

    It can be called from `live_at` until `withdrawn_at`, when its weights (`artefact`) are deleted.
    At most one version per name is `current`.
    """

    __tablename__ = "variant"
    __table_args__ = (
        UniqueConstraint("account_id", "base", "name", "version"),
        UniqueConstraint("adaptation_id"),
        Index(
            "uq_variant_current",
            "account_id",
            "base",
            "name",
            unique=True,
            postgresql_where=text("current"),
        ),
        CheckConstraint("(artefact is null) = (withdrawn_at is not null)", name="artefact"),
        CheckConstraint(
            "not current or (live_at is not null and withdrawn_at is null)", name="current"
        ),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    adaptation_id: UUID = Field(foreign_key="adaptation.id")
    base: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    version: int
    artefact: bytes | None = Field(sa_column=Column(LargeBinary))
    current: bool
    created_at: datetime = Field(sa_column=moment())
    live_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    withdrawn_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))


class ActivationReason(StrEnum):
    """Why a version of a fine-tuned model became the one that answers calls."""

    TRAINED = "trained"
    CHOSEN = "chosen"
    ROLLBACK = "rollback"


class VariantActivation(SQLModel, table=True):
    """A version of a variant became current in place of `previous`; None if there was none.

    `activated_by` is the public id of a person or API key, None for the operator and for a
    training.
    """

    __tablename__ = "variant_activation"
    __table_args__ = (
        Index("ix_variant_activation_account_id_base_name_id", "account_id", "base", "name", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    base: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    version: int
    previous: int | None = None
    reason: str = Field(sa_column=Column(Text, nullable=False))
    activated_by: str | None = Field(default=None, sa_column=Column(Text))
    at: datetime = Field(sa_column=moment())


class VariantDeletion(SQLModel, table=True):
    """What the deletion of a variant erased.

    `versions` have `version`, `fine_tuning_job`, `sha256` and `bytes`; `files` have `id`,
    `filename`, `sha256` and `bytes`. `observations` is the number of observed results, None if it
    was not recorded. `servers_confirmed` of `servers_asked` model servers deleted their copies;
    both are None until they were asked.
    """

    __tablename__ = "variant_deletion"
    __table_args__ = (
        Index("ix_variant_deletion_account_id_base_name_id", "account_id", "base", "name", "id"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id")
    base: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    versions: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    files: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    observations: int | None = None
    deleted_by: str | None = Field(default=None, sa_column=Column(Text))
    at: datetime = Field(sa_column=moment())
    servers_asked: int | None = None
    servers_confirmed: int | None = None
