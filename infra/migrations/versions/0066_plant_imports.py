"""Imports of the plant model with their previews.

The previous version neither reads nor writes this table."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_plant_import()


def _create_plant_import() -> None:
    op.create_table(
        "plant_import",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("summary", postgresql.JSONB(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('previewed', 'applied')", name="ck_plant_import_status_known"
        ),
        sa.CheckConstraint("mode in ('merge', 'replace')", name="ck_plant_import_mode_known"),
        sa.CheckConstraint(
            "source in ('manual', 'csv', 'excel', 'brick', 'aas', 'nodeset', 'model')",
            name="ck_plant_import_source_known",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_plant_import_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_plant_import"),
    )
    op.create_index("ix_plant_import_account_id", "plant_import", ["account_id"], unique=False)


def downgrade() -> None:
    op.drop_table("plant_import")
