"""Commands of agents: signed limits, connectors, commands and leases of points.

The previous version neither reads nor writes these tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None

_TABLES = (
    "agent_point_lease",
    "agent_command",
    "agent_connector",
    "agent_command_limits",
)


def upgrade() -> None:
    _create_agent_command_limits()
    _create_agent_connector()
    _create_agent_command()
    _create_agent_point_lease()


def _create_agent_command_limits() -> None:
    op.create_table(
        "agent_command_limits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("connector", sa.Text(), nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_command_limits_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_command_limits"),
        sa.UniqueConstraint(
            "account_id", "digest", name="uq_agent_command_limits_account_id_digest"
        ),
    )
    op.create_index(
        "ix_agent_command_limits_account_id", "agent_command_limits", ["account_id"], unique=False
    )


def _create_agent_connector() -> None:
    op.create_table(
        "agent_connector",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("keys", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_connector_account_id"
        ),
        sa.PrimaryKeyConstraint("account_id", "name", name="pk_agent_connector"),
    )


def _create_agent_command() -> None:
    op.create_table(
        "agent_command",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Uuid(), nullable=False),
        sa.Column("limits_id", sa.Uuid(), nullable=False),
        sa.Column("connector", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("is_undo", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("value_before", sa.Float(), nullable=True),
        sa.Column("value_read", sa.Float(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_agent_command_account_id"),
        sa.ForeignKeyConstraint(
            ["action_id"],
            ["agent_action.id"],
            name="fk_agent_command_action_id",
            ondelete="cascade",
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_command_agent_id", ondelete="cascade"
        ),
        sa.ForeignKeyConstraint(
            ["limits_id"], ["agent_command_limits.id"], name="fk_agent_command_limits_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_agent_command"),
    )
    op.create_index(
        "ix_agent_command_account_id_id", "agent_command", ["account_id", "id"], unique=False
    )
    op.create_index("ix_agent_command_action_id", "agent_command", ["action_id"], unique=False)
    op.create_index(
        "ix_agent_command_agent_id_id", "agent_command", ["agent_id", "id"], unique=False
    )
    op.create_index(
        "ix_agent_command_open",
        "agent_command",
        ["account_id", "connector"],
        unique=False,
        postgresql_where=sa.text("status in ('queued', 'sent')"),
    )


def _create_agent_point_lease() -> None:
    op.create_table(
        "agent_point_lease",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_agent_point_lease_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agent.id"], name="fk_agent_point_lease_agent_id", ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("account_id", "tag", name="pk_agent_point_lease"),
    )
    op.create_index(
        "ix_agent_point_lease_agent_id", "agent_point_lease", ["agent_id"], unique=False
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
