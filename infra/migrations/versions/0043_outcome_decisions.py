"""The decision record that a claim of an outcome names.

The previous version neither reads nor writes this column, which is empty for its outcomes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outcome", sa.Column("decision_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_outcome_decision_id", "outcome", "decision_record", ["decision_id"], ["id"]
    )


def downgrade() -> None:
    op.drop_column("outcome", "decision_id")
