"""Comparisons of models on tables with known results.

The previous version neither reads nor writes the table.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0041"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _comparison()


def downgrade() -> None:
    op.drop_table("model_comparison")


def _comparison() -> None:
    op.create_table(
        "model_comparison",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("models", postgresql.JSONB(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("max_cost_nano", sa.BigInteger(), nullable=True),
        sa.Column("quoted_nano", sa.BigInteger(), nullable=False),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("report", postgresql.JSONB(), nullable=True),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "max_cost_nano >= 0 and quoted_nano >= 0 and cost_nano >= 0",
            name="ck_model_comparison_costs",
        ),
        _to("model_comparison", "account_id", "account"),
        _to("model_comparison", "key_id", "api_key"),
        sa.PrimaryKeyConstraint("id", name="pk_model_comparison"),
    )
    op.create_index("ix_model_comparison_account_id_id", "model_comparison", ["account_id", "id"])
    op.create_index(
        "ix_model_comparison_open",
        "model_comparison",
        ["id"],
        postgresql_where=sa.text("status in ('queued', 'in_progress')"),
    )


def _to(
    table: str, column: str, target: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    """Return the foreign key of a column."""
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)
