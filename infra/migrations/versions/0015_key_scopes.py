"""Which models a key may call, and from where."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("models", "networks"):
        op.add_column("api_key", sa.Column(name, postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    for name in ("models", "networks"):
        op.drop_column("api_key", name)
