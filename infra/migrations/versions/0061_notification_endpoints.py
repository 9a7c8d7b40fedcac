"""Notification endpoints, events, deliveries and attempts.

The webhook of each account's alert settings becomes an endpoint for the events that it received
before. Its address and secret stay in `alert_target`, which the previous version reads and writes.
The previous version neither reads nor writes these tables.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None

_TABLES = (
    "notification_attempt",
    "notification_delivery",
    "notification_event",
    "notification_endpoint",
)


def upgrade() -> None:
    _create_endpoints()
    _create_events()
    _create_deliveries()
    _create_attempts()
    op.execute(
        """
        insert into notification_endpoint (id, account_id, kind, address, is_alert_target,
            has_secret, description, language, enabled_events, enabled, disabled_reason,
            created_at, due_at, attempts, failures)
        select account_id, account_id, 'webhook', '', true, true, '', 'en',
            '["limits", "models", "fapiao"]', true, '',
            now(), now(), 0, 0
        from alert_target where url <> ''
        """
    )


def _create_endpoints() -> None:
    op.create_table(
        "notification_endpoint",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("has_secret", sa.Boolean(), nullable=False),
        sa.Column("is_alert_target", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("enabled_events", postgresql.JSONB(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        *_endpoint_constraints(),
    )
    op.create_index("ix_notification_endpoint_account_id", "notification_endpoint", ["account_id"])
    op.create_index(
        "uq_notification_endpoint_alert_target",
        "notification_endpoint",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("is_alert_target"),
    )


def _endpoint_constraints() -> tuple[sa.Constraint, ...]:
    """Checks and keys of the table `notification_endpoint`."""
    return (
        sa.CheckConstraint(
            "kind in ('webhook', 'wecom', 'dingtalk', 'feishu', 'slack', 'email')",
            name="ck_notification_endpoint_kind_known",
        ),
        sa.CheckConstraint(
            "language in ('en', 'zh')", name="ck_notification_endpoint_language_known"
        ),
        sa.CheckConstraint(
            "disabled_reason in ('', 'owner', 'failing') and enabled = (disabled_reason = '')",
            name="ck_notification_endpoint_disabled_has_reason",
        ),
        sa.CheckConstraint(
            "is_alert_target = (sealed is null)", name="ck_notification_endpoint_has_address"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_notification_endpoint_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notification_endpoint"),
    )


def _create_events() -> None:
    op.create_table(
        "notification_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("texts", postgresql.JSONB(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_notification_event_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notification_event"),
        sa.UniqueConstraint("business_key", name="uq_notification_event_business_key"),
    )
    for column in ("account_id", "created_at"):
        op.create_index(f"ix_notification_event_{column}", "notification_event", [column])


def _create_deliveries() -> None:
    op.create_table(
        "notification_delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status in ('pending', 'delivered', 'failed')",
            name="ck_notification_delivery_status_known",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_notification_delivery_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["notification_endpoint.id"],
            name="fk_notification_delivery_endpoint_id",
        ),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["notification_event.id"],
            name="fk_notification_delivery_event_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notification_delivery"),
        sa.UniqueConstraint(
            "event_id", "endpoint_id", name="uq_notification_delivery_event_id_endpoint_id"
        ),
    )
    for column in ("account_id", "endpoint_id"):
        op.create_index(
            f"ix_notification_delivery_{column}", "notification_delivery", [column, "id"]
        )
    op.create_index(
        "ix_notification_delivery_pending",
        "notification_delivery",
        ["due_at", "endpoint_id"],
        postgresql_where=sa.text("status = 'pending'"),
    )


def _create_attempts() -> None:
    op.create_table(
        "notification_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_notification_attempt_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["notification_delivery.id"],
            name="fk_notification_attempt_delivery_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notification_attempt"),
    )
    op.create_index("ix_notification_attempt_account_id", "notification_attempt", ["account_id"])
    op.create_index(
        "ix_notification_attempt_delivery_id", "notification_attempt", ["delivery_id", "id"]
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)
