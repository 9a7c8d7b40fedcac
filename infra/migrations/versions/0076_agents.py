"""Agents: definitions by version, ticks, actions and counts by day.

The previous version neither reads nor writes these tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None

_TABLES = (
    "agent_day",
    "agent_action",
    "agent_tick",
    "agent_version",
    "agent",
)


def upgrade() -> None:
    _create_agent()
    _create_agent_version()
    _create_agent_tick()
    _create_agent_action()
    _create_agent_day()


def _create_agent() -> None:
    op.create_table(
        "agent",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("stop_code", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("spent_day", sa.Date(), nullable=False),
        sa.Column("spent_day_nano", sa.BigInteger(), nullable=False),
        sa.Column("spent_month_nano", sa.BigInteger(), nullable=False),
        sa.Column("ticked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status in ('active', 'paused', 'stopped', 'deleted')", name="ck_agent_status"
        ),
        sa.CheckConstraint("version > 0", name="ck_agent_version"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_account_id"),
        sa.ForeignKeyConstraint(["asset_id"], ["plant_asset.id"], name="fk_agent_asset_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_agent_key_id"),
        sa.PrimaryKeyConstraint("id", name="pk_agent"),
    )
    op.create_index("ix_agent_account_id", "agent", ["account_id"], unique=False)
    op.create_index("ix_agent_asset_id", "agent", ["asset_id"], unique=False)
    op.create_index(
        "ix_agent_due_at",
        "agent",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'active'"),
    )


def _create_agent_version() -> None:
    op.create_table(
        "agent_version",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_version_account_id"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_version_agent_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("agent_id", "version", name="pk_agent_version"),
    )
    op.create_index("ix_agent_version_account_id", "agent_version", ["account_id"], unique=False)


def _create_agent_tick() -> None:
    op.create_table(
        "agent_tick",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("assessment", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("prediction", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_tick_account_id"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_tick_agent_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_tick"),
        sa.UniqueConstraint("agent_id", "scheduled_at", name="uq_agent_tick_agent_id_scheduled_at"),
    )
    op.create_index("ix_agent_tick_account_id", "agent_tick", ["account_id"], unique=False)
    op.create_index("ix_agent_tick_agent_id_id", "agent_tick", ["agent_id", "id"], unique=False)


def _create_agent_action() -> None:
    op.create_table(
        "agent_action",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("tick_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_action_account_id"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_action_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(
            ["entity_id"], ["plant_entity.id"], name="fk_agent_action_entity_id"
        ),
        sa.ForeignKeyConstraint(
            ["tick_id"], ["agent_tick.id"], name="fk_agent_action_tick_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_action"),
        sa.UniqueConstraint("tick_id", "kind", name="uq_agent_action_tick_id_kind"),
    )
    op.create_index("ix_agent_action_account_id", "agent_action", ["account_id"], unique=False)
    op.create_index("ix_agent_action_agent_id_id", "agent_action", ["agent_id", "id"], unique=False)
    op.create_index(
        "ix_agent_action_open",
        "agent_action",
        ["account_id"],
        unique=False,
        postgresql_where=sa.text("status = 'proposed'"),
    )


def _create_agent_day() -> None:
    op.create_table(
        "agent_day",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("ticks", sa.Integer(), nullable=False),
        sa.Column("raised", sa.Integer(), nullable=False),
        sa.Column("predictions", sa.Integer(), nullable=False),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.Column("actions", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_day_account_id"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_day_agent_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("agent_id", "day", name="pk_agent_day"),
    )
    op.create_index("ix_agent_day_account_id", "agent_day", ["account_id"], unique=False)


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
