"""The ledger record that a claim of an outcome cites.

The previous version neither reads nor writes this column, which is empty for its outcomes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outcome", sa.Column("prediction_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_outcome_prediction_id", "outcome", "prediction_record", ["prediction_id"], ["id"]
    )
    op.create_index("ix_outcome_prediction_id", "outcome", ["prediction_id"])


def downgrade() -> None:
    op.drop_column("outcome", "prediction_id")
