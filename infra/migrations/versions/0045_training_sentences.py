"""Events of trainings with the template and values of their message, for other languages.

The previous version neither reads nor writes the column.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("adaptation_event", sa.Column("sentence", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("adaptation_event", "sentence")
