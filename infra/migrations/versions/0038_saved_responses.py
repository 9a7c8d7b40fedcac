"""Stored responses of the Responses API. The previous version neither reads nor writes them."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_TABLE = "saved_response"
_STATUSES = "'queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled'"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("background", sa.Boolean(), nullable=False),
        sa.Column("items", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("process_id", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _moment("retry_at", nullable=True),
        _moment("created_at"),
        _moment("expires_at"),
        sa.CheckConstraint(f"status in ({_STATUSES})", name="ck_saved_response_status"),
        _to("account_id", "account"),
        _to("key_id", "api_key"),
        sa.PrimaryKeyConstraint("id", name="pk_saved_response"),
    )
    op.create_index("ix_saved_response_account_id", _TABLE, ["account_id"])
    op.create_index("ix_saved_response_expires_at", _TABLE, ["expires_at"])
    op.create_index(
        "ix_saved_response_open",
        _TABLE,
        ["account_id", "id"],
        postgresql_where=sa.text("status in ('queued', 'in_progress')"),
    )
    op.create_index(
        "uq_saved_response_idempotency_key",
        _TABLE,
        ["account_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key is not null"),
    )


def downgrade() -> None:
    op.drop_table(_TABLE)


def _to(column: str, other: str) -> sa.ForeignKeyConstraint:
    name = f"fk_saved_response_{column}"
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
