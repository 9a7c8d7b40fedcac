"""How learning goes, in figures; and whether a customer shares what was learned from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("adaptation", sa.Column("trained_tokens", sa.BigInteger(), nullable=True))
    op.add_column("adaptation", sa.Column("shared_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint("ck_adaptation_trained_tokens", "adaptation", "trained_tokens >= 0")
    op.add_column("adaptation_event", sa.Column("metrics", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("adaptation_event", "metrics")
    op.drop_column("adaptation", "shared_at")
    op.drop_column("adaptation", "trained_tokens")
