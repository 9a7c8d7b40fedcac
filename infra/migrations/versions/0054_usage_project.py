"""The project of a call. No row is rewritten; NULL is the default project.

A step of its own: a step that changes several tables of calls deadlocks with gateways.
"""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usage", sa.Column("project_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("usage", "project_id")
