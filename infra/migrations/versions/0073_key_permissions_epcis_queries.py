"""Permissions of API keys; named queries and subscriptions of EPCIS events.

The previous version ignores the column: to it a key with permissions may use everything."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_key", sa.Column("permissions", postgresql.JSONB(), nullable=True))
    _create_plant_event_query()
    _create_plant_event_subscription()


def _create_plant_event_query() -> None:
    op.create_table(
        "plant_event_query",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_plant_event_query_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_plant_event_query"),
        sa.UniqueConstraint("account_id", "name", name="uq_plant_event_query_name"),
    )


def _create_plant_event_subscription() -> None:
    op.create_table(
        "plant_event_subscription",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("query", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("schedule", postgresql.JSONB(), nullable=True),
        sa.Column("reports_if_empty", sa.Boolean(), nullable=False),
        sa.Column("position_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_notified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_plant_event_subscription_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["query"],
            ["plant_event_query.id"],
            name="fk_plant_event_subscription_query",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_plant_event_subscription"),
    )
    op.create_index("ix_plant_event_subscription_query", "plant_event_subscription", ["query"])
    op.create_index("ix_plant_event_subscription_due_at", "plant_event_subscription", ["due_at"])


def downgrade() -> None:
    for table in ("plant_event_subscription", "plant_event_query"):
        op.drop_table(table)
    op.drop_column("api_key", "permissions")
