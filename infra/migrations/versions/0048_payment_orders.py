"""Payment orders (payment by QR code), their refunds and their discrepancies.

The previous version neither reads nor writes these tables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _payment_order()
    _payment_refund()
    _payment_discrepancy()


def downgrade() -> None:
    for table in ("payment_discrepancy", "payment_refund", "payment_order"):
        op.drop_table(table)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _payment_order() -> None:
    op.create_table(
        "payment_order",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("transaction_id", sa.Text(), nullable=True),
        sa.Column("credited_to", sa.Text(), nullable=True),
        _moment("created_at"),
        _moment("expires_at"),
        _moment("paid_at", nullable=True),
        _moment("ended_at", nullable=True),
        _moment("poll_at", nullable=True),
        sa.CheckConstraint("minor > 0", name="ck_payment_order_positive"),
        sa.CheckConstraint(
            "(state = 'paid') = (transaction_id is not null)",
            name="ck_payment_order_paid_by_transaction",
        ),
        sa.CheckConstraint(
            "(state = 'paid') = (credited_to is not null)",
            name="ck_payment_order_paid_is_credited",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_payment_order_account_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_payment_order_invoice_id"),
        sa.PrimaryKeyConstraint("id", name="pk_payment_order"),
        sa.UniqueConstraint("number", name="uq_payment_order_number"),
        sa.UniqueConstraint(
            "method", "transaction_id", name="uq_payment_order_method_transaction_id"
        ),
    )
    op.create_index("ix_payment_order_account_id", "payment_order", ["account_id", "id"])
    op.create_index(
        "uq_payment_order_active_invoice",
        "payment_order",
        ["invoice_id"],
        unique=True,
        postgresql_where=sa.text("state in ('created', 'pending')"),
    )
    op.create_index(
        "ix_payment_order_poll_at",
        "payment_order",
        ["poll_at"],
        postgresql_where=sa.text("poll_at is not null"),
    )


def _payment_refund() -> None:
    op.create_table(
        "payment_refund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("business_key", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("credit_note_id", sa.Uuid(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        _moment("created_at"),
        _moment("ended_at", nullable=True),
        _moment("poll_at", nullable=True),
        sa.CheckConstraint("minor > 0", name="ck_payment_refund_positive"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_payment_refund_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["payment_order.id"], name="fk_payment_refund_order_id"
        ),
        sa.ForeignKeyConstraint(
            ["credit_note_id"], ["credit_note.id"], name="fk_payment_refund_credit_note_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_payment_refund"),
        sa.UniqueConstraint("number", name="uq_payment_refund_number"),
        sa.UniqueConstraint(
            "account_id", "business_key", name="uq_payment_refund_account_id_business_key"
        ),
    )
    op.create_index("ix_payment_refund_order_id", "payment_refund", ["order_id"])
    op.create_index(
        "ix_payment_refund_poll_at",
        "payment_refund",
        ["poll_at"],
        postgresql_where=sa.text("poll_at is not null"),
    )


def _payment_discrepancy() -> None:
    op.create_table(
        "payment_discrepancy",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        _moment("recorded_at"),
        _moment("resolved_at", nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_payment_discrepancy_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["payment_order.id"], name="fk_payment_discrepancy_order_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_payment_discrepancy"),
        sa.UniqueConstraint(
            "order_id", "kind", "reference", name="uq_payment_discrepancy_order_id_kind_reference"
        ),
    )
    op.create_index(
        "ix_payment_discrepancy_open",
        "payment_discrepancy",
        ["id"],
        postgresql_where=sa.text("resolved_at is null"),
    )
