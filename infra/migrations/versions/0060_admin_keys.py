"""Admin keys of the platform and of accounts, and the responses of their changes.

The previous version neither reads nor writes these tables.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _admin_key()
    _admin_answer()


def downgrade() -> None:
    op.drop_table("admin_answer")
    op.drop_table("admin_key")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _admin_key() -> None:
    op.create_table(
        "admin_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", JSONB(none_as_null=True), nullable=True),
        sa.Column("networks", JSONB(none_as_null=True), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        _moment("created_at"),
        _moment("expires_at", nullable=True),
        _moment("revoked_at", nullable=True),
        _moment("last_used_at", nullable=True),
        sa.Column("last_address", sa.Text(), nullable=False),
        _moment("window_started_at", nullable=True),
        sa.Column("window_requests", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(account_id is null) = (scopes is not null)", name="ck_admin_key_scopes"
        ),
        sa.CheckConstraint("window_requests >= 0", name="ck_admin_key_window"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_admin_key_account_id"),
        sa.ForeignKeyConstraint(["made_by"], ["person.id"], name="fk_admin_key_made_by"),
        sa.PrimaryKeyConstraint("id", name="pk_admin_key"),
        sa.UniqueConstraint("hash", name="uq_admin_key_hash"),
    )
    op.create_index("ix_admin_key_account_id_id", "admin_key", ["account_id", "id"])


def _admin_answer() -> None:
    op.create_table(
        "admin_answer",
        sa.Column("admin_key_id", sa.Uuid(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        _moment("expires_at"),
        sa.ForeignKeyConstraint(
            ["admin_key_id"], ["admin_key.id"], name="fk_admin_answer_admin_key_id"
        ),
        sa.PrimaryKeyConstraint("admin_key_id", "idempotency_key", name="pk_admin_answer"),
    )
    op.create_index("ix_admin_answer_expires_at", "admin_answer", ["expires_at"])
