"""Outcome lines: which charge an invoice's line is, and what of a settlement was credited."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _outcome_credit()
    _invoice_line()
    op.execute(
        "create trigger append_only before update or delete on outcome_credit "
        "for each row execute function is_append_only()"
    )
    op.execute("revoke update, delete, truncate on outcome_credit from public")


def downgrade() -> None:
    op.drop_column("invoice_line", "charge_id")
    op.drop_table("outcome_credit")


def _outcome_credit() -> None:
    op.create_table(
        "outcome_credit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("settlement_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("credit_note_id", sa.Uuid(), nullable=True),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("minor > 0", name="ck_outcome_credit_positive"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_outcome_credit_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["settlement_id"], ["outcome_settlement.id"], name="fk_outcome_credit_settlement_id"
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoice.id"], name="fk_outcome_credit_invoice_id"
        ),
        sa.ForeignKeyConstraint(
            ["credit_note_id"], ["credit_note.id"], name="fk_outcome_credit_credit_note_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outcome_credit"),
    )
    op.create_index("ix_outcome_credit_settlement_id", "outcome_credit", ["settlement_id"])
    op.create_index("ix_outcome_credit_account_id", "outcome_credit", ["account_id"])


def _invoice_line() -> None:
    op.add_column("invoice_line", sa.Column("charge_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_invoice_line_charge_id", "invoice_line", "charge", ["charge_id"], ["id"]
    )
