"""Verdicts of specialists on assets.

The previous version neither reads nor writes this table."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None

_TABLES = ("plant_verdict",)


def upgrade() -> None:
    _create_plant_verdict()


def _create_plant_verdict() -> None:
    op.create_table(
        "plant_verdict",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prediction", postgresql.JSONB(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_plant_verdict_account_id"),
        sa.ForeignKeyConstraint(["asset_id"], ["plant_asset.id"], name="fk_plant_verdict_asset_id"),
        sa.PrimaryKeyConstraint("id", name="pk_plant_verdict"),
        sa.UniqueConstraint("request_id", name="uq_plant_verdict_request_id"),
    )
    op.create_index("ix_plant_verdict_account_id", "plant_verdict", ["account_id"], unique=False)
    op.create_index("ix_plant_verdict_asset_id", "plant_verdict", ["asset_id", "id"], unique=False)


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
