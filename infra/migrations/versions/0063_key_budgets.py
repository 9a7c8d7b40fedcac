"""Budgets of keys per day and in total. NULL, as for all keys of earlier versions: no budget."""

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "alter table api_key add column daily_budget_nano bigint,"
        " add column total_budget_nano bigint, add column budgets_set_at timestamptz"
    )
    op.create_index(
        "ix_api_key_budgets_set_at",
        "api_key",
        ["budgets_set_at"],
        postgresql_where=sa.text("budgets_set_at is not null"),
    )


def downgrade() -> None:
    # Without its scope, a budget of a day would count as one of a month.
    op.execute(
        "update quota set amount = null where kind = 'budget' and key_id is not null"
        " and scope is not null"
    )
    op.drop_index("ix_api_key_budgets_set_at", "api_key")
    op.execute(
        "alter table api_key drop column daily_budget_nano, drop column total_budget_nano,"
        " drop column budgets_set_at"
    )
