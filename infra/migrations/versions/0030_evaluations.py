"""Evaluations: runs of models on customers' questions, the questions, and the answers."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _run()
    _question()
    _answer()


def downgrade() -> None:
    for table in ("evaluation_answer", "evaluation_question", "evaluation_run"):
        op.drop_table(table)


def _run() -> None:
    op.create_table(
        "evaluation_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("against", sa.Text(), nullable=True),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("scoring", sa.Text(), nullable=False),
        sa.Column("questions", sa.Integer(), nullable=False),
        sa.Column("max_tokens", sa.Integer(), nullable=False),
        sa.Column("max_cost_nano", sa.BigInteger(), nullable=True),
        sa.Column("quoted_nano", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _moment("retry_at", nullable=True),
        _moment("created_at"),
        _moment("finished_at", nullable=True),
        sa.CheckConstraint(
            "max_cost_nano >= 0 and quoted_nano >= 0", name="ck_evaluation_run_costs"
        ),
        sa.CheckConstraint("questions > 0 and max_tokens > 0", name="ck_evaluation_run_sizes"),
        _to("evaluation_run", "account_id", "account"),
        _to("evaluation_run", "key_id", "api_key"),
        sa.PrimaryKeyConstraint("id", name="pk_evaluation_run"),
    )
    op.create_index("ix_evaluation_run_account_id", "evaluation_run", ["account_id"])
    op.create_index(
        "ix_evaluation_run_open",
        "evaluation_run",
        ["account_id", "id"],
        postgresql_where=sa.text("status in ('queued', 'in_progress')"),
    )


def _question() -> None:
    op.create_table(
        "evaluation_question",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("expected", postgresql.JSONB(), nullable=False),
        _to("evaluation_question", "run_id", "evaluation_run", "cascade"),
        _to("evaluation_question", "account_id", "account"),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_evaluation_question"),
    )
    op.create_index("ix_evaluation_question_account_id", "evaluation_question", ["account_id"])


def _answer() -> None:
    op.create_table(
        "evaluation_answer",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("contender", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("quoted_nano", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("correct", sa.Boolean(), nullable=True),
        sa.Column("found", sa.Text(), nullable=True),
        sa.Column("wrong_fields", postgresql.JSONB(), nullable=True),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("finish_reason", sa.Text(), nullable=True),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("duration_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("contender in (0, 1)", name="ck_evaluation_answer_contender"),
        sa.CheckConstraint(
            "cost_nano >= 0 and quoted_nano >= 0", name="ck_evaluation_answer_costs"
        ),
        sa.ForeignKeyConstraint(
            ["run_id", "position"],
            ["evaluation_question.run_id", "evaluation_question.position"],
            name="fk_evaluation_answer_run_id_position",
            ondelete="cascade",
        ),
        _to("evaluation_answer", "account_id", "account"),
        sa.PrimaryKeyConstraint("run_id", "position", "contender", name="pk_evaluation_answer"),
    )
    op.create_index("ix_evaluation_answer_account_id", "evaluation_answer", ["account_id"])


def _to(
    table: str, column: str, other: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=ondelete)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
