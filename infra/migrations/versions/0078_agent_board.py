"""Teams of agents: teams, members, tasks, events of tasks, holds.

The previous version neither reads nor writes these tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None

_TABLES = (
    "agent_hold",
    "agent_task_event",
    "agent_task",
    "agent_team_member",
    "agent_team",
)


def upgrade() -> None:
    _create_agent_team()
    _create_agent_team_member()
    _create_agent_task()
    _create_agent_task_event()
    _create_agent_hold()


def _create_agent_team() -> None:
    op.create_table(
        "agent_team",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("call_nano", sa.BigInteger(), nullable=False),
        sa.Column("day_nano", sa.BigInteger(), nullable=False),
        sa.Column("month_nano", sa.BigInteger(), nullable=False),
        sa.Column("disagreement", sa.Float(), nullable=False),
        sa.Column("opinions", sa.Integer(), nullable=False),
        sa.Column("task_s", sa.Integer(), nullable=False),
        sa.Column("max_leases", sa.Integer(), nullable=False),
        sa.Column("max_flips", sa.Integer(), nullable=False),
        sa.Column("flip_s", sa.Integer(), nullable=False),
        sa.Column("spent_day", sa.Date(), nullable=False),
        sa.Column("spent_day_nano", sa.BigInteger(), nullable=False),
        sa.Column("spent_month_nano", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "disagreement > 0 and disagreement <= 1", name="ck_agent_team_disagreement"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_team_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_agent_team"),
    )
    op.create_index("ix_agent_team_account_id", "agent_team", ["account_id"], unique=False)
    op.create_index(
        "ix_agent_team_name",
        "agent_team",
        ["account_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at is null"),
    )


def _create_agent_team_member() -> None:
    op.create_table(
        "agent_team_member",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("decisions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_team_member_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_team_member_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["agent_team.id"], name="fk_agent_team_member_team_id"
        ),
        sa.PrimaryKeyConstraint("agent_id", name="pk_agent_team_member"),
    )
    op.create_index(
        "ix_agent_team_member_account_id", "agent_team_member", ["account_id"], unique=False
    )
    op.create_index("ix_agent_team_member_team_id", "agent_team_member", ["team_id"], unique=False)


def _create_agent_task() -> None:
    op.create_table(
        "agent_task",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("announced_by", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=True),
        sa.Column("holder_version", sa.Integer(), nullable=True),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leases", sa.Integer(), nullable=False),
        sa.Column("lapsed", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind in ('diagnose', 'review', 'plan', 'execute')", name="ck_agent_task_kind"
        ),
        sa.CheckConstraint(
            "status in ('announced', 'held', 'waiting', 'done', 'stopped', 'cancelled')",
            name="ck_agent_task_status",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_task_account_id"),
        sa.ForeignKeyConstraint(
            ["announced_by"], ["agent.id"], name="fk_agent_task_announced_by", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(["asset_id"], ["plant_asset.id"], name="fk_agent_task_asset_id"),
        sa.ForeignKeyConstraint(["holder_id"], ["agent.id"], name="fk_agent_task_holder_id"),
        sa.ForeignKeyConstraint(
            ["team_id"], ["agent_team.id"], name="fk_agent_task_team_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_task"),
        sa.UniqueConstraint("account_id", "key", name="uq_agent_task_account_id_key"),
    )
    _index_agent_task()


def _index_agent_task() -> None:
    op.create_index("ix_agent_task_account_id", "agent_task", ["account_id"], unique=False)
    op.create_index("ix_agent_task_asset_id", "agent_task", ["asset_id"], unique=False)
    op.create_index("ix_agent_task_case_id", "agent_task", ["case_id"], unique=False)
    op.create_index("ix_agent_task_holder_id", "agent_task", ["holder_id"], unique=False)
    op.create_index(
        "ix_agent_task_open",
        "agent_task",
        ["team_id", "asset_id"],
        unique=True,
        postgresql_where=sa.text("status in ('announced', 'held', 'waiting')"),
    )
    op.create_index(
        "ix_agent_task_pending",
        "agent_task",
        ["status"],
        unique=False,
        postgresql_where=sa.text("status in ('announced', 'held', 'waiting')"),
    )
    op.create_index("ix_agent_task_team_id_id", "agent_task", ["team_id", "id"], unique=False)


def _create_agent_task_event() -> None:
    op.create_table(
        "agent_task_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_task_event_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["task_id"], ["agent_task.id"], name="fk_agent_task_event_task_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_task_event"),
    )
    op.create_index(
        "ix_agent_task_event_account_id", "agent_task_event", ["account_id"], unique=False
    )
    op.create_index(
        "ix_agent_task_event_task_id_id", "agent_task_event", ["task_id", "id"], unique=False
    )


def _create_agent_hold() -> None:
    op.create_table(
        "agent_hold",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("call_key", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("amount_nano", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_hold_account_id"),
        sa.ForeignKeyConstraint(
            ["team_id"], ["agent_team.id"], name="fk_agent_hold_team_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("team_id", "call_key", name="pk_agent_hold"),
    )
    op.create_index("ix_agent_hold_account_id", "agent_hold", ["account_id"], unique=False)
    op.create_index("ix_agent_hold_task_id", "agent_hold", ["task_id"], unique=False)


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
