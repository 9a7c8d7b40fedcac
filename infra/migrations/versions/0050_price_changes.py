"""Announced price changes of plans, and the accounts to which they were announced.

The previous version neither reads nor writes these tables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "price_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_price_change"),
        sa.ForeignKeyConstraint(
            ["plan_version_id"], ["plan_version.id"], name="fk_price_change_plan_version_id"
        ),
        sa.CheckConstraint("effective_at > announced_at", name="ck_price_change_in_future"),
    )
    op.create_index(
        "uq_price_change_open",
        "price_change",
        ["plan", "currency"],
        unique=True,
        postgresql_where=sa.text("closed_at is null"),
    )
    op.create_table(
        "price_change_account",
        sa.Column("price_change_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("from_version_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("price_change_id", "account_id", name="pk_price_change_account"),
        sa.ForeignKeyConstraint(
            ["price_change_id"], ["price_change.id"], name="fk_price_change_account_price_change_id"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_price_change_account_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["from_version_id"], ["plan_version.id"], name="fk_price_change_account_from_version_id"
        ),
        sa.CheckConstraint(
            "state in ('announced', 'scheduled', 'skipped', 'withdrawn')",
            name="ck_price_change_account_state_known",
        ),
    )
    op.create_index("ix_price_change_account_account_id", "price_change_account", ["account_id"])


def downgrade() -> None:
    op.drop_table("price_change_account")
    op.drop_table("price_change")
