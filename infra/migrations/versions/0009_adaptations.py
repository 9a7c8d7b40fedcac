"""Adaptations: customers' training files, the jobs that learn from them, and variants."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _training_file()
    _adaptation()
    _adaptation_event()
    _variant()


def downgrade() -> None:
    for table in ("variant", "adaptation_event", "adaptation", "training_file"):
        op.drop_table(table)


def _training_file() -> None:
    op.create_table(
        "training_file",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _moment("created_at"),
        sa.CheckConstraint("size = octet_length(content)", name="ck_training_file_size"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_training_file_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_training_file"),
    )
    op.create_index("ix_training_file_account_id", "training_file", ["account_id"])
    # Sent once, read once: compressing it on the way to the disk would cost more than it saves.
    op.execute("alter table training_file alter column content set storage external")


def _adaptation() -> None:
    op.create_table(
        "adaptation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("training_file_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tags", postgresql.JSONB(), nullable=True),
        sa.Column("settings", postgresql.JSONB(), nullable=False),
        _moment("created_at"),
        _moment("finished_at", nullable=True),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=True),
        sa.Column("score", postgresql.JSONB(), nullable=True),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint("seconds is null or seconds >= 0", name="ck_adaptation_seconds"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_adaptation_account_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_adaptation_key_id"),
        sa.PrimaryKeyConstraint("id", name="pk_adaptation"),
    )
    op.create_index("ix_adaptation_account_id", "adaptation", ["account_id"])
    op.create_index(
        "ix_adaptation_open",
        "adaptation",
        ["id"],
        postgresql_where=sa.text("status in ('queued', 'running')"),
    )


def _adaptation_event() -> None:
    op.create_table(
        "adaptation_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("adaptation_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        _moment("created_at"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_adaptation_event_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["adaptation_id"],
            ["adaptation.id"],
            name="fk_adaptation_event_adaptation_id",
            ondelete="cascade",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_adaptation_event"),
    )
    op.create_index(
        "ix_adaptation_event_adaptation_id_id", "adaptation_event", ["adaptation_id", "id"]
    )


def _variant() -> None:
    op.create_table(
        "variant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("adaptation_id", sa.Uuid(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("artefact", sa.LargeBinary(), nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        _moment("created_at"),
        _moment("live_at", nullable=True),
        _moment("withdrawn_at", nullable=True),
        sa.CheckConstraint(
            "(artefact is null) = (withdrawn_at is not null)", name="ck_variant_artefact"
        ),
        sa.CheckConstraint(
            "not current or (live_at is not null and withdrawn_at is null)",
            name="ck_variant_current",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_variant_account_id"),
        sa.ForeignKeyConstraint(
            ["adaptation_id"], ["adaptation.id"], name="fk_variant_adaptation_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_variant"),
        sa.UniqueConstraint(
            "account_id", "base", "name", "version", name="uq_variant_account_id_base_name_version"
        ),
        sa.UniqueConstraint("adaptation_id", name="uq_variant_adaptation_id"),
    )
    op.create_index("ix_variant_account_id", "variant", ["account_id"])
    op.create_index(
        "uq_variant_current",
        "variant",
        ["account_id", "base", "name"],
        unique=True,
        postgresql_where=sa.text("current"),
    )
    op.execute("alter table variant alter column artefact set storage external")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
