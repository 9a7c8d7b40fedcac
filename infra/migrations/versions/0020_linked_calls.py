"""Calls that are made for another call, and corrections of usage rows."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usage", sa.Column("parent_id", sa.Uuid(), nullable=True))
    op.add_column("intent", sa.Column("parent_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_usage_parent_id",
        "usage",
        ["parent_id"],
        postgresql_where=sa.text("parent_id is not null"),
    )
    op.create_table(
        "usage_correction",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("cost_nano >= 0", name="ck_usage_correction_cost_not_negative"),
        sa.ForeignKeyConstraint(
            ["request_id"], ["usage.request_id"], name="fk_usage_correction_request_id"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_usage_correction_account_id"
        ),
        sa.PrimaryKeyConstraint("request_id", name="pk_usage_correction"),
    )
    op.create_index("ix_usage_correction_account_id", "usage_correction", ["account_id"])
    # Facts append: the function of the usage table refuses every change.
    op.execute(
        "create trigger usage_correction_is_append_only before update or delete "
        "on usage_correction for each row execute function usage_is_append_only()"
    )


def downgrade() -> None:
    op.drop_table("usage_correction")
    op.drop_index("ix_usage_parent_id", "usage")
    op.drop_column("intent", "parent_id")
    op.drop_column("usage", "parent_id")
