"""Credit policies: versions, decisions, overrides, securities, exposure limits, payment terms.

The previous version neither reads nor writes these tables.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_policies()
    _create_decisions()
    _create_deposits()
    _create_guarantees()
    _create_exposure_limits()
    _create_payments()
    _create_late_payment()
    _keep_rows()


def _create_policies() -> None:
    op.create_table(
        "credit_policy_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_credit_policy_version"),
        sa.UniqueConstraint(
            "policy", "currency", "number", name="uq_credit_policy_version_policy_currency_number"
        ),
    )
    op.create_table(
        "credit_terms",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("dunning", postgresql.JSONB(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_credit_terms_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_credit_terms"),
    )


def _create_decisions() -> None:
    op.create_table(
        "credit_decision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("policy_version_id", sa.Uuid(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("previous", sa.BigInteger(), nullable=False),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("decided", sa.BigInteger(), nullable=False),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        sa.Column("refusal", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint(
            "decided >= 0 and granted >= 0 and granted <= decided",
            name="ck_credit_decision_in_range",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_credit_decision_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["policy_version_id"],
            ["credit_policy_version.id"],
            name="fk_credit_decision_policy_version_id",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_credit_decision"),
        sa.UniqueConstraint(
            "account_id", "business_key", name="uq_credit_decision_account_id_business_key"
        ),
    )
    op.create_index(
        "ix_credit_decision_account_id",
        "credit_decision",
        ["account_id", "decided_at", "id"],
        unique=False,
    )
    op.create_table(
        "credit_override",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("minor >= 0", name="ck_credit_override_not_negative"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_credit_override_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_credit_override"),
    )
    op.create_index(
        "ix_credit_override_account_id",
        "credit_override",
        ["account_id", "created_at"],
        unique=False,
    )


def _create_deposits() -> None:
    op.create_table(
        "deposit_movement",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'applied') = (invoice_id is not null)",
            name="ck_deposit_movement_applied_to_invoice",
        ),
        sa.CheckConstraint(
            "kind in ('received', 'applied', 'returned')", name="ck_deposit_movement_kind_known"
        ),
        sa.CheckConstraint("minor > 0", name="ck_deposit_movement_positive"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_deposit_movement_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name="fk_deposit_movement_invoice_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deposit_movement"),
        sa.UniqueConstraint(
            "account_id", "kind", "reference", name="uq_deposit_movement_account_id_kind_reference"
        ),
    )
    op.create_index(
        "ix_deposit_movement_invoice_id", "deposit_movement", ["invoice_id"], unique=False
    )


def _create_guarantees() -> None:
    op.create_table(
        "credit_guarantee",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("guarantor", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refusal", postgresql.JSONB(), nullable=True),
        sa.CheckConstraint("minor > 0", name="ck_credit_guarantee_positive"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_credit_guarantee_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_credit_guarantee"),
        sa.UniqueConstraint(
            "account_id", "reference", name="uq_credit_guarantee_account_id_reference"
        ),
    )
    op.create_index(
        "ix_credit_guarantee_guarantor", "credit_guarantee", ["guarantor"], unique=False
    )


def _create_exposure_limits() -> None:
    op.create_table(
        "exposure_limit",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "scope in ('currency', 'policy', 'guarantor')", name="ck_exposure_limit_scope_known"
        ),
        sa.CheckConstraint("minor >= 0", name="ck_exposure_limit_not_negative"),
        sa.PrimaryKeyConstraint("scope", "subject", "currency", name="pk_exposure_limit"),
    )


def _create_payments() -> None:
    op.create_table(
        "payment_failure",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind in ('declined', 'chargeback')", name="ck_payment_failure_kind_known"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_payment_failure_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name="fk_payment_failure_invoice_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_payment_failure"),
        sa.UniqueConstraint("kind", "reference", name="uq_payment_failure_kind_reference"),
    )
    op.create_index(
        "ix_payment_failure_account_id",
        "payment_failure",
        ["account_id", "occurred_at"],
        unique=False,
    )
    op.create_table(
        "invoice_payment_terms",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=True),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_invoice_payment_terms_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name="fk_invoice_payment_terms_invoice_id"
        ),
        sa.ForeignKeyConstraint(
            ["plan_version_id"],
            ["plan_version.id"],
            name="fk_invoice_payment_terms_plan_version_id",
        ),
        sa.PrimaryKeyConstraint("invoice_id", name="pk_invoice_payment_terms"),
    )
    op.create_index(
        "ix_invoice_payment_terms_account_id", "invoice_payment_terms", ["account_id"], unique=False
    )


def _create_late_payment() -> None:
    op.create_table(
        "invoice_part",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("minor >= 0", name="ck_invoice_part_not_negative"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_invoice_part_account_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_invoice_part_invoice_id"),
        sa.PrimaryKeyConstraint("invoice_id", "number", name="pk_invoice_part"),
    )
    op.create_index("ix_invoice_part_account_id", "invoice_part", ["account_id"], unique=False)
    op.create_table(
        "late_fee",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("overdue_invoice_id", sa.Uuid(), nullable=False),
        sa.Column("plan_version_id", sa.Uuid(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("minor > 0", name="ck_late_fee_positive"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_late_fee_account_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_late_fee_invoice_id"),
        sa.ForeignKeyConstraint(
            ["overdue_invoice_id"], ["invoice.id"], name="fk_late_fee_overdue_invoice_id"
        ),
        sa.ForeignKeyConstraint(
            ["plan_version_id"], ["plan_version.id"], name="fk_late_fee_plan_version_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_late_fee"),
        sa.UniqueConstraint(
            "overdue_invoice_id", "until", name="uq_late_fee_overdue_invoice_id_until"
        ),
    )
    op.create_index("ix_late_fee_invoice_id", "late_fee", ["invoice_id"], unique=False)
    op.create_index(
        "ix_late_fee_waiting",
        "late_fee",
        ["account_id"],
        unique=False,
        postgresql_where=sa.text("invoice_id is null"),
    )


def _keep_rows() -> None:
    for table in ("credit_policy_version", "credit_decision", "deposit_movement"):
        op.execute(
            f"create trigger append_only before update or delete on {table} "
            "for each row execute function is_append_only()"
        )


def downgrade() -> None:
    for table in ("late_fee", "invoice_part", "invoice_payment_terms", "payment_failure"):
        op.drop_table(table)
    for table in ("exposure_limit", "credit_guarantee", "deposit_movement"):
        op.drop_table(table)
    for table in ("credit_override", "credit_decision", "credit_terms", "credit_policy_version"):
        op.drop_table(table)
