"""Version, decision record and finding of verdicts on assets; models' inputs by concept or tag.

The previous version writes verdicts without version and record, and does not know the new table."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "plant_verdict",
        sa.Column("version", sa.Text(), nullable=False, server_default=sa.text("''")),
    )
    op.add_column("plant_verdict", sa.Column("decision_record_id", sa.Uuid(), nullable=True))
    op.add_column(
        "plant_verdict",
        sa.Column("finding", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
    )
    op.create_index("ix_plant_verdict_created_at", "plant_verdict", ["account_id", "created_at"])
    _create_plant_model_input()


def _create_plant_model_input() -> None:
    op.create_table(
        "plant_model_input",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("concept_id", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(concept_id = '') <> (tag = '')", name="ck_plant_model_input_concept_or_tag"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_plant_model_input_account_id"
        ),
        sa.PrimaryKeyConstraint("account_id", "model", "input", name="pk_plant_model_input"),
    )


def downgrade() -> None:
    op.drop_table("plant_model_input")
    op.drop_index("ix_plant_verdict_created_at", "plant_verdict")
    op.drop_column("plant_verdict", "finding")
    op.drop_column("plant_verdict", "decision_record_id")
    op.drop_column("plant_verdict", "version")
