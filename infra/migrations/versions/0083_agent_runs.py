"""Runs of agents outside of their schedule, and tasks of the Agent2Agent protocol.

The previous version neither reads nor writes these tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0083"
down_revision = "0082"
branch_labels = None
depends_on = None

_TABLES = (
    "a2a_task",
    "agent_run",
)


def upgrade() -> None:
    _create_agent_run()
    _create_a2a_task()


def _create_agent_run() -> None:
    op.create_table(
        "agent_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("request_key", sa.Text(), nullable=False),
        sa.Column("most_nano", sa.BigInteger(), nullable=True),
        sa.Column("chain", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("outcome", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("tick_id", sa.Uuid(), nullable=True),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('queued', 'running', 'succeeded', 'failed', 'canceled')",
            name="ck_agent_run_status",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_run_account_id"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_run_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_agent_run_key_id"),
        sa.ForeignKeyConstraint(
            ["tick_id"], ["agent_tick.id"], name="fk_agent_run_tick_id", ondelete="set null"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_run"),
        sa.UniqueConstraint("agent_id", "request_key", name="uq_agent_run_agent_id_request_key"),
    )
    op.create_index("ix_agent_run_account_id", "agent_run", ["account_id"], unique=False)
    op.create_index("ix_agent_run_agent_id_id", "agent_run", ["agent_id", "id"], unique=False)
    op.create_index(
        "uq_agent_run_open",
        "agent_run",
        ["agent_id"],
        unique=True,
        postgresql_where=sa.text("status in ('queued', 'running')"),
    )


def _create_a2a_task() -> None:
    op.create_table(
        "a2a_task",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("context_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("message", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state in ('submitted', 'working', 'input_required', 'completed', 'failed', "
            "'canceled')",
            name="ck_a2a_task_state",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_a2a_task_account_id"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_a2a_task_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_a2a_task_key_id"),
        sa.ForeignKeyConstraint(
            ["run_id"], ["agent_run.id"], name="fk_a2a_task_run_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_a2a_task"),
        sa.UniqueConstraint("key_id", "message_id", name="uq_a2a_task_key_id_message_id"),
    )
    op.create_index("ix_a2a_task_account_id_id", "a2a_task", ["account_id", "id"], unique=False)
    op.create_index(
        "ix_a2a_task_context_id", "a2a_task", ["account_id", "context_id"], unique=False
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
