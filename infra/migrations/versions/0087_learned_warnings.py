"""Learned warning rules and their trained versions.

The previous version neither reads nor writes these tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0087"
down_revision = "0086"
branch_labels = None
depends_on = None

_TABLES = (
    "learned_warning_version",
    "learned_warning",
)


def upgrade() -> None:
    _create_learned_warning()
    _create_learned_warning_version()
    _create_indexes_of_versions()


def _create_learned_warning() -> None:
    op.create_table(
        "learned_warning",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("versions", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_learned_warning_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["plant_asset.id"], name="fk_learned_warning_asset_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_learned_warning"),
    )
    op.create_index(
        "ix_learned_warning_account_id", "learned_warning", ["account_id"], unique=False
    )
    op.create_index(
        "uq_learned_warning_name",
        "learned_warning",
        ["account_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at is null"),
    )


def _create_learned_warning_version() -> None:
    op.create_table(
        "learned_warning_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("warning_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("events", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("accepted_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trained_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("active_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('queued', 'training', 'failed', 'rejected', 'ready', 'active', "
            "'retired', 'rolled_back')",
            name="ck_learned_warning_version_status",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_learned_warning_version_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["warning_id"],
            ["learned_warning.id"],
            name="fk_learned_warning_version_warning_id",
            ondelete="cascade",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_learned_warning_version"),
    )


def _create_indexes_of_versions() -> None:
    op.create_index(
        "ix_learned_warning_version_account_id",
        "learned_warning_version",
        ["account_id"],
        unique=False,
    )
    op.create_index(
        "uq_learned_warning_version_active",
        "learned_warning_version",
        ["warning_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index(
        "uq_learned_warning_version_number",
        "learned_warning_version",
        ["warning_id", "version"],
        unique=True,
    )
    op.create_index(
        "uq_learned_warning_version_open",
        "learned_warning_version",
        ["warning_id"],
        unique=True,
        postgresql_where=sa.text("status in ('queued', 'training')"),
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
