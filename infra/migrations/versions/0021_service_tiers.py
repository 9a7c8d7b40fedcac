"""The service tier that a call was priced at, and those that a key may ask for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usage", sa.Column("service_tier", sa.Text(), nullable=True))
    op.add_column("api_key", sa.Column("service_tiers", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("api_key", "service_tiers")
    op.drop_column("usage", "service_tier")
