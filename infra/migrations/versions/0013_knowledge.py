"""Knowledge: customers' vector stores, the files in them, and their pieces."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from infra.database.extensions import require_extension

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


class Vector(sa.types.UserDefinedType[object]):
    """pgvector's column type."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "VECTOR"


def upgrade() -> None:
    require_extension(op.get_bind(), "vector", "pgvector (as the package postgresql-18-pgvector)")
    _vector_store()
    _vector_store_file()
    _vector_piece()


def downgrade() -> None:
    for table in ("vector_piece", "vector_store_file", "vector_store"):
        op.drop_table(table)


def _vector_store() -> None:
    op.create_table(
        "vector_store",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("labels", postgresql.JSONB(), nullable=False),
        sa.Column("embedding_model", sa.Text(), nullable=False),
        sa.Column("embedding_version", sa.Text(), nullable=False),
        sa.Column("expires_after_days", sa.Integer(), nullable=True),
        _moment("created_at"),
        _moment("last_active_at"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_vector_store_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_vector_store"),
    )
    op.create_index("ix_vector_store_account_id", "vector_store", ["account_id"])


def _vector_store_file() -> None:
    op.create_table(
        "vector_store_file",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("vector_store_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("attributes", postgresql.JSONB(), nullable=False),
        sa.Column("piece_tokens", sa.Integer(), nullable=False),
        sa.Column("overlap_tokens", sa.Integer(), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.JSONB(), nullable=True),
        sa.Column("last_error", postgresql.JSONB(), nullable=True),
        sa.Column("usage_bytes", sa.BigInteger(), nullable=False),
        sa.Column("pieces", sa.Integer(), nullable=True),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _moment("retry_at", nullable=True),
        _moment("created_at"),
        sa.CheckConstraint("usage_bytes >= 0 and pieces >= 0", name="ck_vector_store_file_sizes"),
        _to("vector_store_file", "account_id", "account"),
        _to("vector_store_file", "key_id", "api_key"),
        _to("vector_store_file", "vector_store_id", "vector_store", "cascade"),
        _to("vector_store_file", "file_id", "training_file", "cascade"),
        sa.PrimaryKeyConstraint("id", name="pk_vector_store_file"),
        sa.UniqueConstraint(
            "vector_store_id", "file_id", name="uq_vector_store_file_vector_store_id_file_id"
        ),
    )
    for column in ("account_id", "file_id", "batch_id"):
        op.create_index(f"ix_vector_store_file_{column}", "vector_store_file", [column])
    op.create_index(
        "ix_vector_store_file_open",
        "vector_store_file",
        ["account_id", "id"],
        postgresql_where=sa.text("status = 'in_progress'"),
    )


def _vector_piece() -> None:
    op.create_table(
        "vector_piece",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("vector_store_id", sa.Uuid(), nullable=False),
        sa.Column("vector_store_file_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        # Without dimensions: of each store they are its model's.
        sa.Column("embedding", Vector(), nullable=True),
        _to("vector_piece", "account_id", "account"),
        _to("vector_piece", "vector_store_id", "vector_store", "cascade"),
        _to("vector_piece", "vector_store_file_id", "vector_store_file", "cascade"),
        sa.PrimaryKeyConstraint("id", name="pk_vector_piece"),
        sa.UniqueConstraint(
            "vector_store_file_id", "position", name="uq_vector_piece_vector_store_file_id_position"
        ),
    )
    for column in ("account_id", "vector_store_id"):
        op.create_index(f"ix_vector_piece_{column}", "vector_piece", [column])
    op.create_index("ix_vector_piece_words", "vector_piece", ["words"], postgresql_using="gin")
    # Every search compares it: what may be moved out of the row instead is the text.
    op.execute("alter table vector_piece alter column embedding set storage main")


def _to(
    table: str, column: str, other: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=ondelete)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
