"""Reasoning tokens in the hourly usage totals, which invoices show beside output tokens.

The previous version adds to the totals without this column, so that calls aggregated during an
upgrade count as 0 here. It is information; what is billed is not affected.
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("usage_total", column)


def downgrade() -> None:
    op.drop_column("usage_total", "reasoning_tokens")
