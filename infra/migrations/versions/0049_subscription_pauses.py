"""Pauses of subscriptions: whether a phase ends with a pause.

The previous version does not write the column; to it, a paused account has no plan.
"""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "subscription_phase",
        sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("subscription_phase", "paused")
