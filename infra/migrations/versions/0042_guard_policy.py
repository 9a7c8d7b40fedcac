"""Guard policies of accounts.

The previous version neither reads nor writes this table.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "guard_policy",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_guard_policy_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_guard_policy"),
    )


def downgrade() -> None:
    op.drop_table("guard_policy")
