"""Agents: steps of ticks, inspection rounds with answers and photos, drafts for work orders.

The previous version neither reads nor writes these tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None

_TABLES = (
    "agent_order_draft",
    "agent_round_photo",
    "agent_round_answer",
    "agent_round",
    "agent_step",
)


def upgrade() -> None:
    _create_agent_step()
    _create_agent_round()
    _create_agent_round_answer()
    _create_agent_round_photo()
    _create_agent_order_draft()


def _create_agent_step() -> None:
    op.create_table(
        "agent_step",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("tick_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("output", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_step_account_id"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_step_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(
            ["tick_id"], ["agent_tick.id"], name="fk_agent_step_tick_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_step"),
    )
    op.create_index("ix_agent_step_account_id", "agent_step", ["account_id"], unique=False)
    op.create_index("ix_agent_step_tick_id", "agent_step", ["tick_id"], unique=False)


def _create_agent_round() -> None:
    op.create_table(
        "agent_round",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("agent_version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submitted_by", sa.Text(), nullable=True),
        sa.Column("results", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "summary", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column(
            "report", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("report_sha256", sa.Text(), nullable=True),
        sa.Column("readings_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tick_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "status in ('open', 'submitted', 'missed', 'cancelled')", name="ck_agent_round_status"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_round_account_id"),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_round_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(
            ["tick_id"], ["agent_tick.id"], name="fk_agent_round_tick_id", ondelete="set null"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_round"),
        sa.UniqueConstraint(
            "agent_id", "scheduled_at", name="uq_agent_round_agent_id_scheduled_at"
        ),
    )
    op.create_index("ix_agent_round_account_id", "agent_round", ["account_id"], unique=False)
    op.create_index("ix_agent_round_agent_id_id", "agent_round", ["agent_id", "id"], unique=False)
    op.create_index(
        "ix_agent_round_waiting",
        "agent_round",
        ["agent_id"],
        unique=False,
        postgresql_where=sa.text("status = 'submitted' and processed_at is null"),
    )


def _create_agent_round_answer() -> None:
    op.create_table(
        "agent_round_answer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("stop", sa.Integer(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column(
            "value", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_round_answer_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["round_id"],
            ["agent_round.id"],
            name="fk_agent_round_answer_round_id",
            ondelete="cascade",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_round_answer"),
        sa.UniqueConstraint("round_id", "key", name="uq_agent_round_answer_round_id_key"),
    )
    op.create_index(
        "ix_agent_round_answer_account_id", "agent_round_answer", ["account_id"], unique=False
    )
    op.create_index(
        "ix_agent_round_answer_round_id", "agent_round_answer", ["round_id", "id"], unique=False
    )


def _create_agent_round_photo() -> None:
    op.create_table(
        "agent_round_photo",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("round_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("stop", sa.Integer(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_round_photo_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["round_id"],
            ["agent_round.id"],
            name="fk_agent_round_photo_round_id",
            ondelete="cascade",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_round_photo"),
        sa.UniqueConstraint("round_id", "key", name="uq_agent_round_photo_round_id_key"),
    )
    op.create_index(
        "ix_agent_round_photo_account_id", "agent_round_photo", ["account_id"], unique=False
    )
    op.create_index(
        "ix_agent_round_photo_round_id", "agent_round_photo", ["round_id", "id"], unique=False
    )


def _create_agent_order_draft() -> None:
    op.create_table(
        "agent_order_draft",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("action_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_order_draft_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["action_id"],
            ["agent_action.id"],
            name="fk_agent_order_draft_action_id",
            ondelete="set null",
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_order_draft_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(
            ["entity_id"], ["plant_entity.id"], name="fk_agent_order_draft_entity_id"
        ),
        sa.PrimaryKeyConstraint(
            "agent_id", "entity_id", "content_sha256", name="pk_agent_order_draft"
        ),
    )
    op.create_index(
        "ix_agent_order_draft_account_id", "agent_order_draft", ["account_id"], unique=False
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
