"""Reasoning tokens of calls, a part of their output tokens.

NULL: the engine did not report them, as in all rows of earlier versions.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usage", sa.Column("reasoning_tokens", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("usage", "reasoning_tokens")
