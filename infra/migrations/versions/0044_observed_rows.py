"""Observed results as training rows: their inputs with consent, schedules that append them, and how
many a deletion erased.

The previous version neither reads nor writes these columns.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("observation", sa.Column("inputs", postgresql.JSONB(), nullable=True))
    op.add_column(
        "retraining_schedule",
        sa.Column(
            "with_observations", sa.Boolean(), nullable=False, server_default=sa.text("false")
        ),
    )
    op.add_column("variant_deletion", sa.Column("observations", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("variant_deletion", "observations")
    op.drop_column("retraining_schedule", "with_observations")
    op.drop_column("observation", "inputs")
