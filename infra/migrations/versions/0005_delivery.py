"""What goes out and comes in: outbox, inbox, alerts; and the tables of the job runner.

Procrastinate's own tables live in a schema of their own, made by the version that is pinned; a
newer pin brings its own steps, to be run by a migration of ours.
"""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _inbox()
    _alert_sent()
    _alert_target()
    _outbox()
    _stripe_asked()
    op.execute(
        "create trigger append_only before update or delete on alert_sent "
        "for each row execute function is_append_only()"
    )
    _jobs()


def downgrade() -> None:
    op.execute("drop schema jobs cascade")
    for table in ("alert_sent", "alert_target", "inbox", "outbox", "stripe_asked"):
        op.drop_table(table)


def _jobs() -> None:
    op.execute("create schema jobs")
    op.execute("set local search_path to jobs")
    # Past SQLAlchemy, which would take the percent signs for parameters.
    op.get_bind().connection.cursor().execute(SchemaManager.get_schema())
    op.execute("set local search_path to default")


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
    )
    op.create_index(
        "ix_inbox_waiting",
        "inbox",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("handled_at is null"),
    )


def _alert_sent() -> None:
    op.create_table(
        "alert_sent",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("percent > 0", name="ck_alert_sent_percent"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_alert_sent_account_id"),
        sa.PrimaryKeyConstraint(
            "account_id", "period_start", "subject", "percent", name="pk_alert_sent"
        ),
    )


def _alert_target() -> None:
    op.create_table(
        "alert_target",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("percentages", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_alert_target_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_alert_target"),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_outbox_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("business_key", name="uq_outbox_business_key"),
    )
    op.create_index("ix_outbox_account_id", "outbox", ["account_id"], unique=False)
    op.create_index("ix_outbox_subject", "outbox", ["subject", "id"], unique=False)
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("done_at is null and given_up_at is null"),
    )


def _stripe_asked() -> None:
    op.create_table(
        "stripe_asked",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_stripe_asked_invoice_id"),
        sa.PrimaryKeyConstraint("invoice_id", name="pk_stripe_asked"),
    )
