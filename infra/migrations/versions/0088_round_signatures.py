"""Signatures of the reports of inspection rounds.

The previous version ignores the column: reports that it writes have no signature."""

import sqlalchemy as sa
from alembic import op

revision = "0088"
down_revision = "0087"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agent_round", sa.Column("report_signature", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("agent_round", "report_signature")
