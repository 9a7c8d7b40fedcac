"""The collector that sent an event of the inbox; the release before knows only one."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "inbox", sa.Column("collector", sa.Text(), server_default="stripe", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("inbox", "collector")
