"""Agents that schedule pumps: basis of plans, learned schedules, savings by day, set points.

The previous version neither reads nor writes these tables, and creates actions without a target."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None

_TABLES = (
    "agent_schedule_day",
    "agent_schedule_policy",
    "agent_schedule",
)


def upgrade() -> None:
    op.add_column("agent_action", sa.Column("target", sa.Text(), server_default="", nullable=False))
    op.drop_constraint("uq_agent_action_tick_id_kind", "agent_action", type_="unique")
    op.create_unique_constraint(
        "uq_agent_action_tick_id_kind_target", "agent_action", ["tick_id", "kind", "target"]
    )
    _create_agent_schedule()
    _create_agent_schedule_policy()
    _create_agent_schedule_day()


def _create_agent_schedule() -> None:
    op.create_table(
        "agent_schedule",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("basis", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_schedule_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_schedule_agent_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("agent_id", name="pk_agent_schedule"),
    )
    op.create_index("ix_agent_schedule_account_id", "agent_schedule", ["account_id"], unique=False)


def _create_agent_schedule_policy() -> None:
    op.create_table(
        "agent_schedule_policy",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("pumps", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shadow_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("active_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('queued', 'learning', 'failed', 'rejected', 'shadow', 'active', "
            "'retired', 'rolled_back')",
            name="ck_agent_schedule_policy_status",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_schedule_policy_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_schedule_policy_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["plant_asset.id"], name="fk_agent_schedule_policy_asset_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_schedule_policy"),
    )
    _index_agent_schedule_policy()


def _index_agent_schedule_policy() -> None:
    op.create_index(
        "ix_agent_schedule_policy_account_id", "agent_schedule_policy", ["account_id"], unique=False
    )
    op.create_index(
        "ix_agent_schedule_policy_agent_id_id",
        "agent_schedule_policy",
        ["agent_id", "id"],
        unique=False,
    )
    op.create_index(
        "uq_agent_schedule_policy_active",
        "agent_schedule_policy",
        ["agent_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index(
        "uq_agent_schedule_policy_open",
        "agent_schedule_policy",
        ["agent_id"],
        unique=True,
        postgresql_where=sa.text("status in ('queued', 'learning')"),
    )


def _create_agent_schedule_day() -> None:
    op.create_table(
        "agent_schedule_day",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=True),
        sa.Column("shadow_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("baseline_nano", sa.BigInteger(), nullable=False),
        sa.Column("saved_nano", sa.BigInteger(), nullable=False),
        sa.Column("shadow_saved_nano", sa.BigInteger(), nullable=True),
        sa.Column("demand_m3", sa.Float(), nullable=False),
        sa.Column("violations", sa.Integer(), nullable=False),
        sa.Column("baseline_violations", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_schedule_day_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_schedule_day_agent_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("agent_id", "day", name="pk_agent_schedule_day"),
    )
    op.create_index(
        "ix_agent_schedule_day_account_id", "agent_schedule_day", ["account_id"], unique=False
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
    op.drop_constraint("uq_agent_action_tick_id_kind_target", "agent_action", type_="unique")
    op.execute("delete from agent_action where target <> ''")
    op.create_unique_constraint("uq_agent_action_tick_id_kind", "agent_action", ["tick_id", "kind"])
    op.drop_column("agent_action", "target")
