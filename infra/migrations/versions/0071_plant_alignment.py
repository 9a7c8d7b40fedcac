"""Alignment of plant points: settings, open proposals, comparisons, trainings by confirmations.

The previous version neither reads nor writes the new tables and the column, and writes no schedule
of the new trigger."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_plant_alignment()
    _create_plant_point_proposal()
    _create_plant_comparison()
    op.add_column("plant_point_mapping", sa.Column("proposal", postgresql.JSONB(), nullable=True))
    op.create_index(
        "ix_plant_point_mapping_confirmed",
        "plant_point_mapping",
        ["account_id", "valid_from"],
        postgresql_where=sa.text("mapping_status = 'confirmed'"),
    )
    _replace_checks(
        "every in ('week', 'month', 'drift', 'confirmations')",
        "every = 'confirmations' or (next_at is null) = (every = 'drift')",
    )


def _create_plant_alignment() -> None:
    op.create_table(
        "plant_alignment",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("budget_nano", sa.BigInteger(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("spent_since", _MOMENT, nullable=False),
        sa.Column("spent_nano", sa.BigInteger(), nullable=False),
        sa.Column("seen_revision", sa.Integer(), nullable=False),
        sa.Column("seen_model", sa.Text(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", _MOMENT, nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("trained_at", _MOMENT, nullable=True),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "budget_nano > 0 and spent_nano >= 0", name="ck_plant_alignment_amounts"
        ),
        sa.CheckConstraint("threshold > 0", name="ck_plant_alignment_threshold"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_plant_alignment_account_id"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_plant_alignment_key_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_plant_alignment"),
    )


def _create_plant_point_proposal() -> None:
    table = "plant_point_proposal"
    op.create_table(
        table,
        sa.Column("point_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("pattern", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("unit_probability", sa.Float(), nullable=True),
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.Column("asset_probability", sa.Float(), nullable=True),
        sa.Column("proposed_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["point_id"], ["plant_point.id"], name="fk_plant_point_proposal_point_id"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_plant_point_proposal_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["plant_asset.id"], name="fk_plant_point_proposal_asset_id"
        ),
        sa.PrimaryKeyConstraint("point_id", name="pk_plant_point_proposal"),
    )
    op.create_index(
        "ix_plant_point_proposal_rank", table, ["account_id", "rank", "probability", "point_id"]
    )
    op.create_index(
        "ix_plant_point_proposal_pattern",
        table,
        ["account_id", "pattern"],
        postgresql_where=sa.text(f"rank < {2**31 - 1}"),
    )
    op.create_index("ix_plant_point_proposal_asset_id", table, ["asset_id"])


def _create_plant_comparison() -> None:
    op.create_table(
        "plant_comparison",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("summary", postgresql.JSONB(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_plant_comparison_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_plant_comparison"),
    )
    op.create_index("ix_plant_comparison_account_id", "plant_comparison", ["account_id"])


def _replace_checks(every: str, next_at: str) -> None:
    """Replace what the columns `every` and `next_at` of a retraining schedule may have."""
    for name, condition in (("every", every), ("next", next_at)):
        constraint = f"ck_retraining_schedule_{name}"
        op.drop_constraint(constraint, "retraining_schedule", type_="check")
        op.create_check_constraint(constraint, "retraining_schedule", condition)


def downgrade() -> None:
    op.execute("delete from retraining_schedule where every = 'confirmations'")
    _replace_checks("every in ('week', 'month', 'drift')", "(next_at is null) = (every = 'drift')")
    op.drop_index("ix_plant_point_mapping_confirmed", "plant_point_mapping")
    op.drop_column("plant_point_mapping", "proposal")
    for table in ("plant_comparison", "plant_point_proposal", "plant_alignment"):
        op.drop_table(table)
