"""Retrieval tables: vector stores, their files and text chunks.

Deleting a store or a file cascades to its chunks.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field, SQLModel

from billing.tables.base import moment

# Not an attribute of rows: the database computes the column.
LINK_MARK = "link_mark"


class Vector(UserDefinedType[Sequence[float]]):
    """pgvector's column type. Written as text and never read: the database computes distances."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the column's SQL type; pgvector's `VECTOR` without a fixed dimension."""
        return "VECTOR"

    def bind_processor(self, dialect: Any) -> Any:
        """Return the function that formats a vector as pgvector's text, `[0.1,0.2]`."""
        return lambda value: None if value is None else f"[{','.join(map(repr, value))}]"


# Lets SQLAlchemy reflect the type, for comparing tables with migrations.
ischema_names["vector"] = Vector


class FileStatus(StrEnum):
    """The ingestion status of a vector store file, with OpenAI's values."""

    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class VectorStore(SQLModel, table=True):
    """A customer's vector store.

    All its embeddings are of one version of one model: embeddings of different models cannot be
    compared.
    """

    __tablename__ = "vector_store"

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    name: str = Field(sa_column=Column(Text, nullable=False))
    labels: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    embedding_model: str = Field(sa_column=Column(Text, nullable=False))
    embedding_version: str = Field(sa_column=Column(Text, nullable=False))
    expires_after_days: int | None = None
    created_at: datetime = Field(sa_column=moment())
    last_active_at: datetime = Field(sa_column=moment())


class VectorStoreFile(SQLModel, table=True):
    """A file in a vector store with its ingestion job, and the API key that added it.

    `process_id` is the gateway process that ingests the file. `attempts` counts attempts since the
    last progress; the next attempt is not before `retry_at`. `pieces` is the number of chunks, set
    when all are stored. The database computes `link_mark`, a hash of what links the file to the
    plant model, null without such attributes.
    """

    __tablename__ = "vector_store_file"
    __table_args__ = (
        Column(
            LINK_MARK,
            Integer,
            Computed(
                "case when attributes ?| array['asset', 'failure_mode', 'work_order'] "
                "then hashtext(id::text || attributes::text || status) end",
                persisted=True,
            ),
        ),
        UniqueConstraint("vector_store_id", "file_id"),
        Index(
            "ix_vector_store_file_open",
            "account_id",
            "id",
            postgresql_where=text("status = 'in_progress'"),
        ),
        Index(
            "ix_vector_store_file_links",
            "account_id",
            postgresql_include=[LINK_MARK],
            postgresql_where=text("link_mark is not null"),
        ),
        CheckConstraint("usage_bytes >= 0 and pieces >= 0", name="sizes"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    key_id: UUID = Field(foreign_key="api_key.id")
    vector_store_id: UUID = Field(
        sa_column=Column(ForeignKey("vector_store.id", ondelete="cascade"), nullable=False)
    )
    file_id: UUID = Field(
        sa_column=Column(
            ForeignKey("training_file.id", ondelete="cascade"), nullable=False, index=True
        )
    )
    batch_id: UUID | None = Field(default=None, index=True)
    attributes: dict[str, str | float | bool] = Field(sa_column=Column(JSONB, nullable=False))
    piece_tokens: int
    overlap_tokens: int
    chosen: bool
    status: str = Field(sa_column=Column(Text, nullable=False))
    tags: dict[str, str] | None = Field(default=None, sa_column=Column(JSONB))
    last_error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    usage_bytes: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    pieces: int | None = None
    process_id: UUID | None = None
    attempts: int = 0
    retry_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    created_at: datetime = Field(sa_column=moment())


class VectorPiece(SQLModel, table=True):
    """A text chunk of a file, searchable by full text and, once embedded, by vector."""

    __tablename__ = "vector_piece"
    __table_args__ = (
        UniqueConstraint("vector_store_file_id", "position"),
        Index("ix_vector_piece_words", "words", postgresql_using="gin"),
    )

    id: UUID = Field(primary_key=True)
    account_id: UUID = Field(foreign_key="account.id", index=True)
    vector_store_id: UUID = Field(
        sa_column=Column(
            ForeignKey("vector_store.id", ondelete="cascade"), nullable=False, index=True
        )
    )
    vector_store_file_id: UUID = Field(
        sa_column=Column(ForeignKey("vector_store_file.id", ondelete="cascade"), nullable=False)
    )
    position: int
    text: str = Field(sa_column=Column(Text, nullable=False))
    words: Any = Field(sa_column=Column(TSVECTOR, nullable=False))
    embedding: Any = Field(default=None, sa_column=Column(Vector, nullable=True))
