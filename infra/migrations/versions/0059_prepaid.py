"""Prepaid packs, vouchers and automatic top-ups.

The previous version neither reads nor writes the new tables and column.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _pack()
    _pack_purchase()
    _pack_recognition()
    _usage_pack_total()
    _voucher_batch()
    _voucher()
    _voucher_redemption()
    _voucher_failure()
    _auto_top_up()
    _auto_top_up_attempt()
    op.add_column("invoice_line", sa.Column("packed", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("invoice_line", "packed")
    for table in (
        "auto_top_up_attempt",
        "auto_top_up",
        "voucher_failure",
        "voucher_redemption",
        "voucher",
        "voucher_batch",
        "usage_pack_total",
        "pack_recognition",
        "pack_purchase",
        "pack",
    ):
        op.drop_table(table)


def _pack() -> None:
    op.create_table(
        "pack",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("terms_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("validity_days", sa.Integer(), nullable=False),
        sa.Column("max_per_account", sa.Integer(), nullable=True),
        sa.Column("max_total", sa.Integer(), nullable=True),
        sa.Column("on_account_plans", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "units > 0 and minor > 0 and validity_days > 0", name=op.f("ck_pack_positive")
        ),
        sa.ForeignKeyConstraint(["terms_id"], ["plan_version.id"], name=op.f("fk_pack_terms_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pack")),
    )
    op.create_index(
        "uq_pack_offered",
        "pack",
        ["name", "currency"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at is null"),
    )


def _pack_purchase() -> None:
    op.create_table(
        "pack_purchase",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("pack_id", sa.Uuid(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pay_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expiry_notified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refunded_units", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'active') <= (starts_at is not null)",
            name=op.f("ck_pack_purchase_active_has_validity"),
        ),
        sa.CheckConstraint(
            "(starts_at is null) = (expires_at is null)", name=op.f("ck_pack_purchase_validity")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_pack_purchase_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name=op.f("fk_pack_purchase_invoice_id")
        ),
        sa.ForeignKeyConstraint(["pack_id"], ["pack.id"], name=op.f("fk_pack_purchase_pack_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pack_purchase")),
        sa.UniqueConstraint(
            "account_id", "business_key", name=op.f("uq_pack_purchase_account_id_business_key")
        ),
        sa.UniqueConstraint("invoice_id", name=op.f("uq_pack_purchase_invoice_id")),
    )
    op.create_index(
        "ix_pack_purchase_account_id", "pack_purchase", ["account_id", "id"], unique=False
    )
    op.create_index(
        "ix_pack_purchase_expires_at",
        "pack_purchase",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index("ix_pack_purchase_pack_id", "pack_purchase", ["pack_id"], unique=False)


def _pack_recognition() -> None:
    op.create_table(
        "pack_recognition",
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("recognized_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "reason in ('used', 'expired', 'canceled')", name=op.f("ck_pack_recognition_reason")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_pack_recognition_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["pack_purchase.id"], name=op.f("fk_pack_recognition_purchase_id")
        ),
        sa.PrimaryKeyConstraint("purchase_id", "number", name=op.f("pk_pack_recognition")),
    )


def _usage_pack_total() -> None:
    op.create_table(
        "usage_pack_total",
        sa.Column("period_id", sa.Uuid(), nullable=False),
        sa.Column("purchase_id", sa.Uuid(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_usage_pack_total_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["period_id"], ["billing_period.id"], name=op.f("fk_usage_pack_total_period_id")
        ),
        sa.PrimaryKeyConstraint(
            "period_id",
            "purchase_id",
            "plan_version_id",
            "model",
            "meter",
            "late",
            name=op.f("pk_usage_pack_total"),
        ),
    )
    op.create_index(
        op.f("ix_usage_pack_total_account_id"), "usage_pack_total", ["account_id"], unique=False
    )


def _voucher_batch() -> None:
    op.create_table(
        "voucher_batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=True),
        sa.Column("pack_id", sa.Uuid(), nullable=True),
        sa.Column("credit_days", sa.Integer(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=False),
        sa.Column("per_account", sa.Integer(), nullable=False),
        sa.Column(
            "plans", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("new_customers_only", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("canceled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(minor is null) <> (pack_id is null)", name=op.f("ck_voucher_batch_credit_or_pack")
        ),
        sa.CheckConstraint(
            "max_uses > 0 and per_account > 0", name=op.f("ck_voucher_batch_positive")
        ),
        sa.ForeignKeyConstraint(["pack_id"], ["pack.id"], name=op.f("fk_voucher_batch_pack_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_batch")),
    )


def _voucher() -> None:
    op.create_table(
        "voucher",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=False),
        sa.CheckConstraint("uses between 0 and max_uses", name=op.f("ck_voucher_uses")),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["voucher_batch.id"], name=op.f("fk_voucher_batch_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_voucher_code_hash")),
    )
    op.create_index("ix_voucher_batch_id", "voucher", ["batch_id"], unique=False)


def _voucher_redemption() -> None:
    op.create_table(
        "voucher_redemption",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("voucher_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        sa.Column("purchase_id", sa.Uuid(), nullable=True),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(grant_id is null) <> (purchase_id is null)",
            name=op.f("ck_voucher_redemption_credit_or_pack"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_voucher_redemption_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["voucher_batch.id"], name=op.f("fk_voucher_redemption_batch_id")
        ),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["wallet_grant.id"], name=op.f("fk_voucher_redemption_grant_id")
        ),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["pack_purchase.id"], name=op.f("fk_voucher_redemption_purchase_id")
        ),
        sa.ForeignKeyConstraint(
            ["voucher_id"], ["voucher.id"], name=op.f("fk_voucher_redemption_voucher_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_redemption")),
        sa.UniqueConstraint(
            "voucher_id", "account_id", name=op.f("uq_voucher_redemption_voucher_id_account_id")
        ),
    )
    op.create_index(
        "ix_voucher_redemption_account_id",
        "voucher_redemption",
        ["account_id", "batch_id"],
        unique=False,
    )


def _voucher_failure() -> None:
    op.create_table(
        "voucher_failure",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_voucher_failure_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voucher_failure")),
    )
    op.create_index(
        "ix_voucher_failure_account_id",
        "voucher_failure",
        ["account_id", "failed_at"],
        unique=False,
    )


def _auto_top_up() -> None:
    op.create_table(
        "auto_top_up",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("monthly_ceiling", sa.BigInteger(), nullable=False),
        sa.Column("consent_text", sa.Text(), nullable=False),
        sa.Column("consented_by", sa.Text(), nullable=False),
        sa.Column("consented_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "threshold > 0 and minor > 0 and monthly_ceiling >= minor",
            name=op.f("ck_auto_top_up_positive"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_auto_top_up_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_auto_top_up")),
    )


def _auto_top_up_attempt() -> None:
    op.create_table(
        "auto_top_up_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("month_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('pending', 'paid', 'failed')", name=op.f("ck_auto_top_up_attempt_state")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_auto_top_up_attempt_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["payment_order.id"], name=op.f("fk_auto_top_up_attempt_order_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auto_top_up_attempt")),
        sa.UniqueConstraint("order_id", name=op.f("uq_auto_top_up_attempt_order_id")),
    )
    op.create_index(
        "ix_auto_top_up_attempt_account_id",
        "auto_top_up_attempt",
        ["account_id", "month_start"],
        unique=False,
    )
    op.create_index(
        "uq_auto_top_up_attempt_pending",
        "auto_top_up_attempt",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
