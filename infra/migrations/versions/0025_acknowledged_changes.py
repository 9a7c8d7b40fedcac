"""The access epoch up to which each gateway process has applied all changes."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gateway_process", sa.Column("seen_epoch", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("gateway_process", "seen_epoch")
