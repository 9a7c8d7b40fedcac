"""The project of a budget. NULL for all other quotas.

A step of its own: a step that changes several tables of calls deadlocks with gateways.
"""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("quota", sa.Column("project_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("quota", "project_id")
