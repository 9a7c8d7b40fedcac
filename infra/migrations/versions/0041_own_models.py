"""Own models after their training: comparisons on tables, observed results, shadows,
retraining.

The previous version neither reads nor writes these tables.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _comparison()
    _observation()
    _promise()
    _shadow()
    _answer()
    _schedule()
    _run()


def downgrade() -> None:
    op.drop_table("retraining_run")
    op.drop_table("retraining_schedule")
    op.drop_table("shadow_answer")
    op.drop_table("shadow_deployment")
    op.drop_table("variant_promise")
    op.drop_table("observation")
    op.drop_table("model_comparison")


def _comparison() -> None:
    op.create_table(
        "model_comparison",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("models", postgresql.JSONB(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("max_cost_nano", sa.BigInteger(), nullable=True),
        sa.Column("quoted_nano", sa.BigInteger(), nullable=False),
        sa.Column("cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("report", postgresql.JSONB(), nullable=True),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "max_cost_nano >= 0 and quoted_nano >= 0 and cost_nano >= 0",
            name="ck_model_comparison_costs",
        ),
        _to("model_comparison", "account_id", "account"),
        _to("model_comparison", "key_id", "api_key"),
        sa.PrimaryKeyConstraint("id", name="pk_model_comparison"),
    )
    op.create_index("ix_model_comparison_account_id_id", "model_comparison", ["account_id", "id"])
    op.create_index(
        "ix_model_comparison_open",
        "model_comparison",
        ["id"],
        postgresql_where=sa.text("status in ('queued', 'in_progress')"),
    )


def _observation() -> None:
    numbers = ("predicted_number", "observed_number")
    classes = ("predicted_class", "observed_class")
    op.create_table(
        "observation",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=True) for name in numbers),
        *(sa.Column(name, sa.Text(), nullable=True) for name in classes),
        *(
            sa.Column(name, sa.Float(), nullable=True)
            for name in ("lower", "upper", "level", "probability")
        ),
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("predicted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(predicted_number is null) = (observed_number is null) and "
            "(predicted_class is null) = (observed_class is null) and "
            "(predicted_number is null) <> (predicted_class is null)",
            name="ck_observation_kind",
        ),
        _to("observation", "account_id", "account"),
        _to("observation", "variant_id", "variant", ondelete="cascade"),
        sa.PrimaryKeyConstraint("account_id", "request_id", "row", name="pk_observation"),
    )
    op.create_index(
        "ix_observation_variant_id_predicted_at", "observation", ["variant_id", "predicted_at"]
    )
    op.create_index("ix_observation_created_at", "observation", ["created_at"])


def _promise() -> None:
    op.create_table(
        "variant_promise",
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        _to("variant_promise", "account_id", "account"),
        _to("variant_promise", "variant_id", "variant", ondelete="cascade"),
        sa.PrimaryKeyConstraint("variant_id", name="pk_variant_promise"),
    )
    op.create_index("ix_variant_promise_account_id", "variant_promise", ["account_id"])


def _shadow() -> None:
    owner = ["account_id", "base", "name"]
    op.create_table(
        "shadow_deployment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("current_version", sa.Integer(), nullable=False),
        sa.Column("current_id", sa.Uuid(), nullable=False),
        sa.Column("candidate_version", sa.Integer(), nullable=False),
        sa.Column("candidate_id", sa.Uuid(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("max_rows", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("share > 0 and share <= 1", name="ck_shadow_deployment_share"),
        sa.CheckConstraint(
            "max_rows > 0 and rows >= 0 and failed >= 0", name="ck_shadow_deployment_counts"
        ),
        _to("shadow_deployment", "account_id", "account"),
        _to("shadow_deployment", "current_id", "variant", ondelete="cascade"),
        _to("shadow_deployment", "candidate_id", "variant", ondelete="cascade"),
        sa.PrimaryKeyConstraint("id", name="pk_shadow_deployment"),
    )
    op.create_index(
        "ix_shadow_deployment_account_id_base_name_id", "shadow_deployment", [*owner, "id"]
    )
    op.create_index(
        "uq_shadow_deployment_running",
        "shadow_deployment",
        owner,
        unique=True,
        postgresql_where=sa.text("status = 'running'"),
    )


def _answer() -> None:
    op.create_table(
        "shadow_answer",
        sa.Column("shadow_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("current", postgresql.JSONB(), nullable=False),
        sa.Column("candidate", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _to("shadow_answer", "account_id", "account"),
        _to("shadow_answer", "shadow_id", "shadow_deployment", ondelete="cascade"),
        sa.PrimaryKeyConstraint("shadow_id", "request_id", "row", name="pk_shadow_answer"),
    )
    op.create_index(
        "ix_shadow_answer_account_id_request_id_row",
        "shadow_answer",
        ["account_id", "request_id", "row"],
    )


def _schedule() -> None:
    op.create_table(
        "retraining_schedule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("every", sa.Text(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("filename", sa.Text(), nullable=True),
        sa.Column("budget_nano", sa.BigInteger(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "every in ('week', 'month', 'drift')", name="ck_retraining_schedule_every"
        ),
        sa.CheckConstraint(
            "(file_id is null) <> (filename is null)", name="ck_retraining_schedule_source"
        ),
        sa.CheckConstraint(
            "(next_at is null) = (every = 'drift')", name="ck_retraining_schedule_next"
        ),
        sa.CheckConstraint("budget_nano > 0", name="ck_retraining_schedule_budget"),
        _to("retraining_schedule", "account_id", "account"),
        _to("retraining_schedule", "key_id", "api_key"),
        sa.PrimaryKeyConstraint("id", name="pk_retraining_schedule"),
        sa.UniqueConstraint(
            "account_id", "base", "name", name="uq_retraining_schedule_account_id_base_name"
        ),
    )
    op.create_index("ix_retraining_schedule_next_at", "retraining_schedule", ["next_at"])


def _run() -> None:
    op.create_table(
        "retraining_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("max_cost_nano", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("max_cost_nano >= 0", name="ck_retraining_run_cost"),
        _to("retraining_run", "account_id", "account"),
        _to("retraining_run", "schedule_id", "retraining_schedule", ondelete="cascade"),
        sa.PrimaryKeyConstraint("id", name="pk_retraining_run"),
        sa.UniqueConstraint("schedule_id", "trigger", name="uq_retraining_run_schedule_id_trigger"),
    )
    op.create_index("ix_retraining_run_account_id", "retraining_run", ["account_id"])
    op.create_index(
        "ix_retraining_run_started",
        "retraining_run",
        ["id"],
        postgresql_where=sa.text("status = 'started'"),
    )


def _to(
    table: str, column: str, target: str, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    """Return the foreign key of a column."""
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=name, ondelete=ondelete)
