"""Add-ons of subscriptions, and the add-on of an invoice line. NULL for all other lines."""

import sqlalchemy as sa
from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _subscription_add_on()
    op.add_column("invoice_line", sa.Column("add_on", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("invoice_line", "add_on")
    op.drop_table("subscription_add_on")


def _subscription_add_on() -> None:
    op.create_table(
        "subscription_add_on",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("quantity > 0", name="ck_subscription_add_on_positive"),
        sa.CheckConstraint(
            "ends_at is null or ends_at >= starts_at", name="ck_subscription_add_on_in_order"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_subscription_add_on_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscription_add_on"),
    )
    op.create_index(
        "ix_subscription_add_on_account_id", "subscription_add_on", ["account_id", "starts_at"]
    )
    op.create_index(
        "uq_subscription_add_on_active",
        "subscription_add_on",
        ["account_id", "name"],
        unique=True,
        postgresql_where=sa.text("ends_at is null"),
    )
