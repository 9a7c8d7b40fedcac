"""Batches: calls that run in the background within 24 hours, and their lines.

The previous version neither reads nor writes them; batches wait while only it runs.
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _batch()
    _line()


def downgrade() -> None:
    op.drop_table("batch_line")
    op.drop_table("batch")


def _batch() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("input_file_id", sa.Uuid(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("errors", postgresql.JSONB(), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("estimated_s", sa.Integer(), nullable=True),
        sa.Column("output_file_id", sa.Uuid(), nullable=True),
        sa.Column("error_file_id", sa.Uuid(), nullable=True),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _moment("retry_at", nullable=True),
        _moment("created_at"),
        _moment("expires_at"),
        *(_moment(name, nullable=True) for name in _MOMENTS),
        sa.CheckConstraint("held_nano >= 0 and spent_nano >= 0", name="ck_batch_costs"),
        sa.CheckConstraint("completed >= 0 and failed >= 0 and total >= 0", name="ck_batch_counts"),
        _to("batch", "account_id", "account"),
        _to("batch", "key_id", "api_key"),
        sa.PrimaryKeyConstraint("id", name="pk_batch"),
    )
    op.create_index("ix_batch_account_id", "batch", ["account_id"])
    op.create_index(
        "ix_batch_open",
        "batch",
        ["account_id", "id"],
        postgresql_where=sa.text(
            "status in ('validating', 'in_progress', 'finalizing', 'cancelling')"
        ),
    )


_COUNTS = ("total", "completed", "failed")
_SUMS = (
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "output_bytes",
    "held_nano",
    "spent_nano",
)
_MOMENTS = ("in_progress_at", "finalizing_at", "cancelling_at", "finished_at")


def _line() -> None:
    op.create_table(
        "batch_line",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("custom_id", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        _to("batch_line", "batch_id", "batch", "cascade"),
        _to("batch_line", "account_id", "account"),
        sa.PrimaryKeyConstraint("batch_id", "position", name="pk_batch_line"),
    )
    op.create_index("ix_batch_line_account_id", "batch_line", ["account_id"])
    op.create_index(
        "ix_batch_line_pending",
        "batch_line",
        ["batch_id", "position"],
        postgresql_where=sa.text("outcome is null"),
    )


def _to(
    table: str, column: str, other: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=ondelete)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
