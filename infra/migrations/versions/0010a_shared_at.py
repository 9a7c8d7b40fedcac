"""Stand-in for the migration that adds the consent of an adaptation: leave out when merging."""

import sqlalchemy as sa
from alembic import op

revision = "0010a"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("adaptation", sa.Column("shared_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("adaptation", "shared_at")
