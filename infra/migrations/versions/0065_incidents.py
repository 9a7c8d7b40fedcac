"""Incidents of the platform and their updates; mailboxes that wait for their confirmation.

The previous version neither reads nor writes the tables, and shows such a mailbox as disabled.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None

_STATUSES = "status in ('investigating', 'identified', 'monitoring', 'resolved')"
_IMPACTS = "impact in ('minor', 'major', 'critical', 'maintenance')"


def upgrade() -> None:
    _create_incident()
    _create_incident_update()
    _replace_reasons("'', 'owner', 'failing', 'unconfirmed'")


def _create_incident() -> None:
    op.create_table(
        "incident",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("impact", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("title_en", sa.Text(), nullable=False),
        sa.Column("title_zh", sa.Text(), nullable=False),
        sa.Column("models", postgresql.JSONB(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_incident"),
        sa.CheckConstraint(_STATUSES, name="ck_incident_status"),
        sa.CheckConstraint(_IMPACTS, name="ck_incident_impact"),
        sa.CheckConstraint(
            "(status = 'resolved') = (resolved_at is not null)", name="ck_incident_resolved"
        ),
    )
    op.create_index(
        "ix_incident_open",
        "incident",
        ["started_at"],
        postgresql_where=sa.text("resolved_at is null"),
    )
    op.create_index("ix_incident_resolved_at", "incident", ["resolved_at"])


def _create_incident_update() -> None:
    op.create_table(
        "incident_update",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("text_en", sa.Text(), nullable=False),
        sa.Column("text_zh", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incident_update"),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incident.id"], name="fk_incident_update_incident_id"
        ),
        sa.CheckConstraint(_STATUSES, name="ck_incident_update_status"),
    )
    op.create_index("ix_incident_update_incident_id", "incident_update", ["incident_id", "id"])


def _replace_reasons(reasons: str) -> None:
    """Set the reasons for which a notification endpoint may be disabled."""
    name = "ck_notification_endpoint_disabled_has_reason"
    op.drop_constraint(name, "notification_endpoint", type_="check")
    op.create_check_constraint(
        name,
        "notification_endpoint",
        f"disabled_reason in ({reasons}) and enabled = (disabled_reason = '')",
    )


def downgrade() -> None:
    op.execute(
        "update notification_endpoint set disabled_reason = 'owner' "
        "where disabled_reason = 'unconfirmed'"
    )
    _replace_reasons("'', 'owner', 'failing'")
    op.drop_table("incident_update")
    op.drop_table("incident")
