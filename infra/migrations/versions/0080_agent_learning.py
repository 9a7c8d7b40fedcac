"""Agents that learn: logged decisions, feedback, policies with their steps, proposed limits.

The previous version neither reads nor writes these tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None

_TABLES = (
    "agent_limit",
    "agent_learning",
    "agent_policy_step",
    "agent_policy",
    "agent_feedback",
    "agent_decision",
)


def upgrade() -> None:
    _create_agent_decision()
    _create_agent_feedback()
    _create_agent_policy()
    _create_agent_policy_step()
    _create_agent_learning()
    _create_agent_limit()


def _create_agent_decision() -> None:
    op.create_table(
        "agent_decision",
        sa.Column("tick_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("horizon_s", sa.Float(), nullable=False),
        sa.Column("features", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("allowed", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("propensity", sa.Float(), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=True),
        sa.Column("shadow", sa.Text(), nullable=True),
        sa.Column("shadow_policy_id", sa.Uuid(), nullable=True),
        sa.Column("fault", sa.Boolean(), nullable=True),
        sa.Column("outcome_source", sa.Text(), nullable=True),
        sa.Column("cost", sa.Float(), nullable=True),
        sa.CheckConstraint(
            "propensity > 0 and propensity <= 1", name="ck_agent_decision_propensity"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_decision_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_decision_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["plant_asset.id"], name="fk_agent_decision_asset_id"
        ),
        sa.ForeignKeyConstraint(
            ["tick_id"], ["agent_tick.id"], name="fk_agent_decision_tick_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("tick_id", name="pk_agent_decision"),
    )
    op.create_index("ix_agent_decision_account_id", "agent_decision", ["account_id"], unique=False)
    op.create_index(
        "ix_agent_decision_agent_id_decided_at",
        "agent_decision",
        ["agent_id", "decided_at"],
        unique=False,
    )


def _create_agent_feedback() -> None:
    op.create_table(
        "agent_feedback",
        sa.Column("tick_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("fault", sa.Boolean(), nullable=True),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cost", sa.Float(), nullable=True),
        sa.Column("given_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "verdict in ('confirmed', 'denied', 'corrected', 'ignored')",
            name="ck_agent_feedback_verdict",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_feedback_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_feedback_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(
            ["tick_id"], ["agent_tick.id"], name="fk_agent_feedback_tick_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("tick_id", name="pk_agent_feedback"),
    )
    op.create_index("ix_agent_feedback_account_id", "agent_feedback", ["account_id"], unique=False)
    op.create_index(
        "ix_agent_feedback_agent_id_tick_id",
        "agent_feedback",
        ["agent_id", "tick_id"],
        unique=False,
    )


def _create_agent_policy() -> None:
    op.create_table(
        "agent_policy",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("previous_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shadow_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_policy_account_id"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_policy_agent_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_policy"),
    )
    op.create_index("ix_agent_policy_account_id", "agent_policy", ["account_id"], unique=False)
    op.create_index(
        "ix_agent_policy_active",
        "agent_policy",
        ["agent_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index("ix_agent_policy_number", "agent_policy", ["agent_id", "number"], unique=True)


def _create_agent_policy_step() -> None:
    op.create_table(
        "agent_policy_step",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_policy_step_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_policy_step_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["agent_policy.id"], name="fk_agent_policy_step_policy_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_policy_step"),
    )
    op.create_index(
        "ix_agent_policy_step_account_id", "agent_policy_step", ["account_id"], unique=False
    )
    op.create_index(
        "ix_agent_policy_step_policy_id", "agent_policy_step", ["policy_id"], unique=False
    )


def _create_agent_learning() -> None:
    op.create_table(
        "agent_learning",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("trained_known", sa.Integer(), nullable=False),
        sa.Column("known", sa.Integer(), nullable=False),
        sa.Column("waits_for", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_learning_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_learning_agent_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("agent_id", name="pk_agent_learning"),
    )
    op.create_index("ix_agent_learning_account_id", "agent_learning", ["account_id"], unique=False)


def _create_agent_limit() -> None:
    op.create_table(
        "agent_limit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("agent_version", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("before", sa.Float(), nullable=False),
        sa.Column("after", sa.Float(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_limit_account_id"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_limit_agent_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_limit"),
    )
    op.create_index("ix_agent_limit_account_id", "agent_limit", ["account_id"], unique=False)
    op.create_index(
        "ix_agent_limit_open",
        "agent_limit",
        ["agent_id", "rule"],
        unique=True,
        postgresql_where=sa.text("status = 'proposed'"),
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
