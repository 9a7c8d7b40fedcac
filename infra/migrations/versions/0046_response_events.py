"""Events of streamed background responses, as they are produced.

The previous version neither reads nor writes this table; it deletes rows with their response.
"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

_TABLE = "response_events"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("response_id", sa.Uuid(), nullable=False),
        sa.Column("first_number", sa.Integer(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("events", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["response_id"],
            ["saved_response.id"],
            name="fk_response_events_response_id",
            ondelete="cascade",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_response_events_account_id"
        ),
        sa.PrimaryKeyConstraint("response_id", "first_number", name="pk_response_events"),
    )


def downgrade() -> None:
    op.drop_table(_TABLE)
