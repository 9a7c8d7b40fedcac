"""The project of an open call, for the usage row of a call whose process is lost.

A step of its own: a step that changes several tables of calls deadlocks with gateways.
"""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("intent", sa.Column("project_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("intent", "project_id")
