"""Drift: distributions of fine-tuned models in training, and counts of their calls by hour.

The previous version writes neither; models that it trains during an upgrade have no reference.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _drift()
    _count()


def downgrade() -> None:
    op.drop_table("variant_count")
    op.drop_table("variant_drift")


def _drift() -> None:
    op.create_table(
        "variant_drift",
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("reference", postgresql.JSONB(), nullable=False),
        sa.Column("level", sa.Text(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "level in ('none', 'moderate', 'significant')", name="ck_variant_drift_level"
        ),
        _to("variant_drift", "account_id", "account"),
        _to("variant_drift", "variant_id", "variant", ondelete="cascade"),
        sa.PrimaryKeyConstraint("variant_id", name="pk_variant_drift"),
    )
    op.create_index("ix_variant_drift_account_id", "variant_drift", ["account_id"])


def _count() -> None:
    op.create_table(
        "variant_count",
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("counts", postgresql.ARRAY(sa.Integer()), nullable=False),
        _to("variant_count", "account_id", "account"),
        _to("variant_count", "variant_id", "variant", ondelete="cascade"),
        sa.PrimaryKeyConstraint("variant_id", "hour", name="pk_variant_count"),
    )
    op.create_index("ix_variant_count_account_id", "variant_count", ["account_id"])
    op.create_index("ix_variant_count_hour", "variant_count", ["hour"])


def _to(
    table: str, column: str, target: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    """Return the foreign key of a column."""
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)
