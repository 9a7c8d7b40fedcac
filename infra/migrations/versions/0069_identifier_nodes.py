"""Identifier nodes: authorities, delegations, records, access keys and daily counts.

The previous version neither reads nor writes these tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None

_TABLES = (
    "node_daily_count",
    "node_access_key",
    "node_record",
    "node_delegation",
    "node_authority",
)


def upgrade() -> None:
    _create_node_authority()
    _create_node_delegation()
    _create_node_record()
    _create_node_access_key()
    _create_node_daily_count()


def _create_node_authority() -> None:
    op.create_table(
        "node_authority",
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("public_key", postgresql.JSONB(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("chain", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_node_authority_account_id"
        ),
        sa.PrimaryKeyConstraint("prefix", name="pk_node_authority"),
    )
    op.create_index("ix_node_authority_account_id", "node_authority", ["account_id"])


def _create_node_delegation() -> None:
    op.create_table(
        "node_delegation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revocation", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(revoked_at is null) = (revocation is null)",
            name="ck_node_delegation_revocation_if_revoked",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_node_delegation"),
    )
    op.create_index(
        "uq_node_delegation_prefix",
        "node_delegation",
        ["prefix"],
        unique=True,
        postgresql_where=sa.text("revoked_at is null"),
    )
    op.create_index("ix_node_delegation_parent", "node_delegation", ["parent"])


def _create_node_record() -> None:
    op.create_table(
        "node_record",
        sa.Column("identifier", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("disclosures", postgresql.JSONB(), nullable=False),
        sa.Column("ttl_s", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_node_record_account_id"),
        sa.PrimaryKeyConstraint("identifier", "version", name="pk_node_record"),
    )
    op.create_index("ix_node_record_account_id", "node_record", ["account_id", "created_at"])


def _create_node_access_key() -> None:
    op.create_table(
        "node_access_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "access in ('partner', 'owner')", name="ck_node_access_key_access_known"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_node_access_key_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_node_access_key"),
        sa.UniqueConstraint("digest", name="uq_node_access_key_digest"),
    )
    op.create_index("ix_node_access_key_prefix", "node_access_key", ["prefix"])
    op.create_index("ix_node_access_key_account_id", "node_access_key", ["account_id"])


def _create_node_daily_count() -> None:
    op.create_table(
        "node_daily_count",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "role", "outcome", name="pk_node_daily_count"),
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
