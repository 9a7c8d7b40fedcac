"""The way back: feedback, versions of shared models, and what these learned from."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _feedback()
    _model_version()
    _model_version_example()


def downgrade() -> None:
    for table in ("model_version_example", "model_version", "feedback"):
        op.drop_table(table)


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("rating", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("messages", postgresql.JSONB(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        _moment("consented_at", nullable=True),
        _moment("created_at"),
        _moment("changed_at"),
        sa.CheckConstraint("rating in ('good', 'bad')", name="ck_feedback_rating"),
        sa.CheckConstraint("(messages is null) = (answer is null)", name="ck_feedback_whole"),
        sa.CheckConstraint(
            "consented_at is not null or messages is null", name="ck_feedback_consent"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_feedback_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sa.UniqueConstraint("request_id", name="uq_feedback_request_id"),
    )
    op.create_index("ix_feedback_account_id_id", "feedback", ["account_id", "id"])
    op.create_index(
        "ix_feedback_consented",
        "feedback",
        ["model"],
        postgresql_where=sa.text("consented_at is not null"),
    )


def _model_version() -> None:
    op.create_table(
        "model_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("artefact", sa.LargeBinary(), nullable=True),
        sa.Column("made_of", postgresql.JSONB(), nullable=False),
        sa.Column("scores", postgresql.JSONB(), nullable=True),
        sa.Column("history", postgresql.JSONB(), nullable=False),
        _moment("created_at"),
        _moment("promoted_at", nullable=True),
        sa.Column("worker", sa.Uuid(), nullable=True),
        _moment("heard_at", nullable=True),
        sa.CheckConstraint("number > 0", name="ck_model_version_number"),
        sa.CheckConstraint(
            "status in ('proposed', 'promoted', 'rejected', 'rolled_back')",
            name="ck_model_version_status",
        ),
        sa.CheckConstraint(
            "not current or (status = 'promoted' and artefact is not null)",
            name="ck_model_version_current",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_model_version"),
        sa.UniqueConstraint("model", "number", name="uq_model_version_model_number"),
    )
    for name, which in (("current", "current"), ("proposed", "status = 'proposed'")):
        op.create_index(
            f"uq_model_version_{name}",
            "model_version",
            ["model"],
            unique=True,
            postgresql_where=sa.text(which),
        )
    # Weights: compressing them on the way to the disk would cost more than it saves.
    op.execute("alter table model_version alter column artefact set storage external")


def _model_version_example() -> None:
    op.create_table(
        "model_version_example",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _moment("consented_at"),
        sa.Column("held_out", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["model_version.id"],
            name="fk_model_version_example_version_id",
            ondelete="cascade",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_model_version_example_account_id"
        ),
        sa.PrimaryKeyConstraint(
            "version_id", "source", "source_id", "line", name="pk_model_version_example"
        ),
    )
    op.create_index("ix_model_version_example_account_id", "model_version_example", ["account_id"])


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
